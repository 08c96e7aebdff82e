import type { ExecutionContext } from 'ava'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { discoverUpnp } from '../../../lib/portmap/discover-upnp.ts'
import type { GatewayMapper } from '../../../lib/portmap/gateway-mapper.ts'
import { FakeIgd } from './fake-igd.ts'
import type { FakeIgdOptions } from './fake-igd.ts'
import { FakeLan } from './fake-lan.ts'

/** A router that closes with the test. */
export async function igdOf(t: ExecutionContext, options: FakeIgdOptions = {}): Promise<FakeIgd> {
  const igd = await FakeIgd.open(options)
  t.teardown(() => igd.close())
  return igd
}

/** What a LAN with these routers alone leads to; the first is the default gateway. */
export async function mappersOf(
  t: ExecutionContext,
  ...igds: readonly FakeIgd[]
): Promise<readonly GatewayMapper[]> {
  const answers = igds.map(({ ip, location }) => ({ from: ip, location }))
  const lan = new FakeLan(igds[0]?.ip ?? '127.0.0.1', answers)
  const mappers = await discoverUpnp(lan.runtime, [lan.gateway])
  t.teardown(() => {
    for (const mapper of mappers) mapper.close()
  })
  return mappers
}

/** The one mapper that a router leads to. */
export async function mapperOf(t: ExecutionContext, igd: FakeIgd): Promise<GatewayMapper> {
  const [mapper, ...others] = await mappersOf(t, igd)
  if (mapper === undefined || others.length > 0) throw new Error(`${1 + others.length} mappers`)
  return mapper
}

/** UDP port 4000 of this host, any port outside, an hour. */
export const REQUEST = {
  internal: transportAddress('127.0.0.1', 4000),
  externalPort: undefined,
  lifetimeS: 3600,
} as const
