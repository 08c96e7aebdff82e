import type { ExecutionContext } from 'ava'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import type { GatewayMapper } from '../../../lib/portmap/gateway-mapper.ts'
import { UpnpMapper } from '../../../lib/portmap/upnp-mapper.ts'
import { FakeIgd } from './fake-igd.ts'
import type { FakeIgdOptions } from './fake-igd.ts'
import { FakeLan } from './fake-lan.ts'

/** A router that closes with the test. */
export async function igdOf(t: ExecutionContext, options: FakeIgdOptions = {}): Promise<FakeIgd> {
  const igd = await FakeIgd.open(options)
  t.teardown(() => igd.close())
  return igd
}

/** A LAN with these routers, which answer from where they are; the first is the default gateway. */
export function lanOf(...igds: readonly FakeIgd[]): FakeLan {
  return new FakeLan(
    igds[0]?.ip ?? '127.0.0.1',
    igds.map(({ ip, location }) => ({ from: ip, location })),
  )
}

/** A mapper that closes with the test; it has not looked for anything yet. */
export function mapperIn(t: ExecutionContext, lan: FakeLan): GatewayMapper {
  const mapper = new UpnpMapper(lan.setup)
  t.teardown(() => mapper.close())
  return mapper
}

/** A mapper that has found this router. */
export async function mapperOf(t: ExecutionContext, igd: FakeIgd): Promise<GatewayMapper> {
  const mapper = mapperIn(t, lanOf(igd))
  await mapper.prepare()
  return mapper
}

/** UDP port 4000 of this host, any port outside, an hour. */
export const REQUEST = {
  internal: transportAddress('127.0.0.1', 4000),
  externalPort: undefined,
  acceptsOtherPort: true,
  lifetimeS: 3600,
  nonce: '000000000000000000000000',
} as const
