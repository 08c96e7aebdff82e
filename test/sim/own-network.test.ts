import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { OwnNetworkMeasurement } from '../../lib/peer/direct/own-network.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { VirtualHost } from './virtual-host.ts'

const HOME = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'preserving' },
} as const
const LINK = { delayMs: 10 }

function measurementOn(
  t: ExecutionContext,
  host: VirtualHost,
  servers: () => readonly TransportAddress[],
): OwnNetworkMeasurement {
  const measurement = new OwnNetworkMeasurement(host.runtime, () => Promise.resolve(servers()))
  t.teardown(() => measurement.close())
  return measurement
}

test('a NAT that forgets soon is spoken to every two thirds of the time that it was seen to remember', async (t) => {
  for (const [lifetimeS, expectedMs] of [
    [5, 5000],
    [9, 5000],
    [12, 10_000 * (2 / 3)],
    [18, 10_000],
    [600, 15_000],
  ] as const) {
    const net = new VirtualInternet({ seed: lifetimeS })
    const server = net.stunServer()
    const nat = net.nat({ ...HOME, udpTimeoutMs: lifetimeS * 1000 })
    const measurement = measurementOn(t, net.host({ behind: nat, link: LINK }), () => [server.address])
    const keepaliveMs = await net.clock.runUntilSettled(measurement.keepaliveMs(), 40_000)
    t.is(keepaliveMs, expectedMs, `${lifetimeS} s`)
  }
})

test('where nothing keeps state, or nobody can be asked, no keepalive is known', async (t) => {
  const net = new VirtualInternet({ seed: 4 })
  const server = net.stunServer()
  const open = measurementOn(t, net.host({ link: LINK }), () => [server.address])
  t.is(await net.clock.runUntilSettled(open.keepaliveMs(), 40_000), undefined)
  const alone = measurementOn(t, net.host({ behind: net.nat(HOME), link: LINK }), () => [])
  t.is(await net.clock.runUntilSettled(alone.network(), 40_000), undefined)
  t.is(await net.clock.runUntilSettled(alone.keepaliveMs(), 40_000), undefined)
})

test('a network is measured once, and anew when nobody could be asked or when it has changed', async (t) => {
  const net = new VirtualInternet({ seed: 5 })
  const server = net.stunServer()
  let asked = 0
  let servers: readonly TransportAddress[] = []
  const host = net.host({ behind: net.nat(HOME), link: LINK })
  const measurement = measurementOn(t, host, () => {
    asked++
    return servers
  })
  const found = () => net.clock.runUntilSettled(measurement.network(), 40_000)
  t.is(await found(), undefined)
  servers = [server.address]
  t.like((await found())?.nat.behavior, { mapping: HOME.mapping, filtering: HOME.filtering })
  await found()
  t.is(asked, 2)
  measurement.forget()
  t.true((await found())?.nat.udpWorks)
  t.is(asked, 3)
})
