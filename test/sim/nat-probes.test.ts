import test from 'ava'
import { BindingLifetimeProbe } from '../../lib/protocol/stun/binding-lifetime-probe.ts'
import { HairpinProbe } from '../../lib/protocol/stun/hairpin-probe.ts'
import { NatBoundaryProbe } from '../../lib/protocol/stun/nat-boundary-probe.ts'
import { PathMtuProbe } from '../../lib/protocol/stun/path-mtu-probe.ts'
import type { SurveyMachine } from '../../lib/protocol/stun/survey-machine.ts'
import { forSeeds } from './for-seeds.ts'
import { startMachine } from './run-machine.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { VirtualStunServer } from './virtual-stun-server.ts'

const HOME = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'random' },
} as const

/** What every probe is told. */
function common(host: VirtualHost, server: VirtualStunServer, budgetMs: number) {
  return {
    family: 'ipv4',
    newTransactionId: () => host.runtime.random.bytes(12),
    budgetMs,
    server: server.address,
    localIp: host.ip,
  } as const
}

/** Runs a machine to its end; answers the time. */
function run(net: VirtualInternet, host: VirtualHost, machine: SurveyMachine, limitMs: number): number {
  const started = startMachine(host, machine)
  const endMs = net.clock.nowMs() + limitMs
  while (!started.isDone && net.clock.nowMs() < endMs) net.clock.advance(20)
  return net.clock.nowMs()
}

function boundaryHop(net: VirtualInternet, host: VirtualHost, server: VirtualStunServer): number | 'unknown' {
  const pair = { primary: server.address, other: server.corner('alternate-both') }
  const probe = new NatBoundaryProbe({ ...common(host, server, 3000), server: pair, openFor: 'address' })
  return probe.hop(run(net, host, probe, 3100)).value
}

test('the boundary is at the hop of the outermost NAT, also under loss', (t) => {
  for (const [loss, seeds] of [
    [0, 5],
    [0.1, 20],
  ] as const) {
    forSeeds(seeds, (seed) => {
      const net = new VirtualInternet({ seed })
      const server = net.stunServer()
      const expect = (host: VirtualHost, hop: number) => {
        const found = boundaryHop(net, host, server)
        t.true(found === hop || (loss > 0 && found === 'unknown'), `${found} instead of ${hop}, seed ${seed}`)
      }
      const link = { delayMs: 5, loss }
      expect(net.host({ behind: net.nat(HOME), link }), 1)
      const carrier = net.nat({ ...HOME, lan: '100.64.0.0/10' })
      expect(net.host({ behind: net.nat({ ...HOME, behind: carrier }), link }), 2)
      const office = net.router({ behind: net.router({ behind: net.nat(HOME) }) })
      expect(net.host({ behind: office, link }), 3)
    })
  }
})

test('the path MTU is found where larger packets vanish, and where routers say so', (t) => {
  for (const mtuMode of ['blackhole', 'icmp'] as const) {
    for (const [mtu, expected] of [
      [1500, 1500],
      [1492, 1492],
      [1450, 1420],
      [1300, 1280],
    ] as const) {
      const net = new VirtualInternet({ seed: mtu })
      const server = net.stunServer()
      const nat = net.nat({ ...HOME, link: { delayMs: 10, mtu, mtuMode } })
      const host = net.host({ behind: nat })
      const probe = new PathMtuProbe(common(host, server, 3000))
      const fact = probe.mtu(run(net, host, probe, 3100))
      t.is(fact.value, expected, `${mtuMode} ${mtu}: ${fact.evidence.join('; ')}`)
      t.true(fact.bothWays)
    }
  }
})

test('loss never makes the path MTU look larger than it is', (t) => {
  forSeeds(40, (seed) => {
    const net = new VirtualInternet({ seed })
    const server = net.stunServer()
    const nat = net.nat({ ...HOME, link: { delayMs: 10, mtu: 1400, mtuMode: 'blackhole' } })
    const host = net.host({ behind: nat, link: { loss: 0.2 } })
    const probe = new PathMtuProbe(common(host, server, 3000))
    const { value, confidence } = probe.mtu(run(net, host, probe, 3100))
    t.true(value === 'unknown' || value <= 1400, String(value))
    if (confidence === 'measured') t.is(value, 1400)
  })
})

test('hairpinning is seen where the NAT does it, and its absence is proven by silence', (t) => {
  for (const hairpin of ['external', 'internal', 'none'] as const) {
    forSeeds(5, (seed) => {
      const net = new VirtualInternet({ seed })
      const server = net.stunServer()
      const nat = net.nat({ ...HOME, filtering: 'endpoint-independent', hairpin })
      const host = net.host({ behind: nat, link: { delayMs: 5, loss: 0.05 } })
      const probe = new HairpinProbe(common(host, server, 4000))
      const { value } = probe.hairpin(run(net, host, probe, 4100))
      if (hairpin === 'external') t.true(value)
      else if (hairpin === 'none') t.true(value === false || value === 'unknown')
    })
  }
})

test('without a NAT there is nothing to hairpin', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = net.stunServer()
  const host = net.host()
  const probe = new HairpinProbe(common(host, server, 4000))
  t.is(probe.hairpin(run(net, host, probe, 4100)).value, 'unknown')
})

test('the binding lifetime is bracketed by the idle times that were tried', (t) => {
  for (const [lifetimeS, expectedS] of [
    [12, 10],
    [33, 30],
    [50, 45],
    [125, 120],
    [600, 180],
  ] as const) {
    const net = new VirtualInternet({ seed: lifetimeS })
    const server = net.stunServer()
    const nat = net.nat({ ...HOME, udpTimeoutMs: lifetimeS * 1000 })
    const host = net.host({ behind: nat, link: { delayMs: 10 } })
    const probe = new BindingLifetimeProbe(common(host, server, 190_000))
    const fact = probe.lifetimeMs(run(net, host, probe, 191_000))
    t.is(fact.value, expectedS * 1000, fact.evidence.join('; '))
  }
})

test('a server that does not answer to another port leaves the lifetime unknown, at once', (t) => {
  const net = new VirtualInternet({ seed: 9 })
  const server = net.stunServer({ dialect: 'rfc3489' })
  // Its RESPONSE-PORT is taken away by a firewall that lets answers go only to where requests came from.
  const host = net.host({ behind: net.nat({ ...HOME, filtering: 'address-and-port-dependent' }) })
  server.die()
  const probe = new BindingLifetimeProbe(common(host, server, 190_000))
  const endMs = run(net, host, probe, 191_000)
  t.is(probe.lifetimeMs(endMs).value, 'unknown')
  t.true(endMs < 30_000, `${endMs} ms`)
})
