import test from 'ava'
import { sameAddress, transportAddress } from '../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import type { NatDiscoveryReport } from '../../lib/protocol/stun/nat-behavior-discovery.ts'
import { DEFAULT_BUDGET_MS, NatBehaviorDiscovery } from '../../lib/protocol/stun/nat-behavior-discovery.ts'
import { forSeeds } from './for-seeds.ts'
import { startMachine } from './run-machine.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'

/** Runs a discovery to its end in virtual time. */
function discover(
  net: VirtualInternet,
  host: VirtualHost,
  servers: readonly TransportAddress[],
): { readonly report: NatDiscoveryReport; readonly ms: number; readonly packets: number } {
  const discovery = new NatBehaviorDiscovery({
    family: 'ipv4',
    servers,
    localIp: host.ip,
    newTransactionId: () => host.runtime.random.bytes(12),
  })
  const startMs = net.clock.nowMs()
  const started = startMachine(host, discovery)
  while (!started.isDone && net.clock.nowMs() - startMs <= DEFAULT_BUDGET_MS) net.clock.advance(5)
  const { packetsSent } = started
  return {
    report: discovery.report(net.clock.nowMs()),
    ms: net.clock.nowMs() - startMs,
    packets: packetsSent,
  }
}

const HOME = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'random' },
} as const

test('a healthy network is known within 1.2 s of virtual time and 200 packets', (t) => {
  forSeeds(20, (seed) => {
    const net = new VirtualInternet({ seed })
    const host = net.host({ behind: net.nat(HOME), link: { delayMs: 10 } })
    const { report, ms, packets } = discover(net, host, [net.stunServer().address])
    t.is(report.mapping.value, 'endpoint-independent')
    t.is(report.filtering.value, 'address-and-port-dependent')
    t.true(ms < 1200, `${ms} ms`)
    t.true(packets < 200, `${packets} packets`)
  })
})

test('no NAT and no firewall are both named none', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const { report } = discover(net, net.host(), [net.stunServer().address])
  t.is(report.mapping.value, 'none')
  t.is(report.filtering.value, 'none')
  t.is(report.portAllocation.value, 'preserving')
})

test('no NAT behind a stateful firewall is mapping none, filtered by address and port', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const { report } = discover(net, net.host({ behind: net.firewall() }), [net.stunServer().address])
  t.is(report.mapping.value, 'none')
  t.is(report.filtering.value, 'address-and-port-dependent')
})

test('without UDP everything is unknown, and it ends by itself within its budget', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const host = net.host({ behind: net.firewall({ rules: { udp: 'block' } }) })
  const { report, ms } = discover(net, host, [net.stunServer().address])
  t.is(report.mapping.value, 'unknown')
  t.is(report.filtering.value, 'unknown')
  t.is(report.portAllocation.value, 'unknown')
  t.false(report.contacts[0]?.answered)
  t.true(ms <= DEFAULT_BUDGET_MS + 5)
})

test('a lying server among honest ones is told apart, whatever it says', (t) => {
  forSeeds(20, (seed) => {
    const net = new VirtualInternet({ seed })
    const liar = net.stunServer({ lies: (seen) => ({ ...seen, port: net.random.int(1024, 65_535) }) })
    const honest = [net.stunServer().address, net.stunServer().address]
    const host = net.host({ behind: net.nat(HOME) })
    const { report } = discover(net, host, [
      honest[0] ?? liar.address,
      liar.address,
      honest[1] ?? liar.address,
    ])
    t.true(
      ['endpoint-independent', 'unknown'].includes(report.mapping.value),
      report.mapping.evidence.join('; '),
    )
  })
})

test('a dead server among three costs its grace and no fact', (t) => {
  forSeeds(20, (seed) => {
    const net = new VirtualInternet({ seed })
    const dead = net.stunServer()
    dead.die()
    const host = net.host({ behind: net.nat(HOME) })
    const { report, ms } = discover(net, host, [
      dead.address,
      net.stunServer().address,
      net.stunServer().address,
    ])
    t.is(report.mapping.value, 'endpoint-independent')
    t.is(report.filtering.value, 'address-and-port-dependent')
    t.deepEqual(
      report.contacts.map(({ answered }) => answered),
      [false, true, true],
    )
    t.true(ms < 1500, `${ms} ms`)
  })
})

test('a server whose other address is dead is left for one that works; silence there proves nothing', (t) => {
  forSeeds(10, (seed) => {
    const net = new VirtualInternet({ seed })
    const half = net.stunServer({ deadCorners: ['alternate-ip', 'alternate-both', 'alternate-port'] })
    const full = net.stunServer()
    const nat = net.nat({ ...HOME, filtering: 'endpoint-independent' })
    const alone = discover(net, net.host({ behind: nat }), [half.address])
    t.is(alone.report.filtering.value, 'unknown', 'nothing came, but nothing could')
    const both = discover(net, net.host({ behind: nat }), [half.address, full.address])
    t.not(both.report.filtering.value, 'address-and-port-dependent')
  })
})

test('a server that ignores CHANGE-REQUEST is no witness of filtering', (t) => {
  const net = new VirtualInternet({ seed: 3 })
  const server = net.stunServer({ alternatePort: false, usesAlternateIp: false })
  const { report } = discover(net, net.host({ behind: net.nat(HOME) }), [server.address])
  t.is(report.filtering.value, 'unknown')
  t.is(report.publicAddress === undefined, false)
})

test('servers of RFC 3489 are understood', (t) => {
  forSeeds(5, (seed) => {
    const net = new VirtualInternet({ seed })
    const server = net.stunServer({ dialect: 'rfc3489' })
    const { report } = discover(net, net.host({ behind: net.nat(HOME) }), [server.address])
    t.is(report.mapping.value, 'endpoint-independent')
    t.is(report.filtering.value, 'address-and-port-dependent')
  })
})

test('a pool of addresses is a fact of its own and no hard mapping', (t) => {
  forSeeds(10, (seed) => {
    const net = new VirtualInternet({ seed })
    const nat = net.nat({ ...HOME, externalIps: 3, pooling: 'arbitrary' })
    const { report } = discover(net, net.host({ behind: nat }), [net.stunServer().address])
    t.is(report.mapping.value, 'endpoint-independent')
    t.true(report.addressPool.value)
    t.true(report.publicIps.length > 1)
  })
})

test('an ALG that rewrites addresses in packets is found, and XOR-MAPPED-ADDRESS still tells the truth', (t) => {
  const net = new VirtualInternet({ seed: 4 })
  const nat = net.nat({ ...HOME, alg: 'address' })
  const { report } = discover(net, net.host({ behind: nat }), [net.stunServer().address])
  t.true(report.alg.value)
  t.is(report.mapping.value, 'endpoint-independent')
})

test('a NAT that reboots in the middle is never named wrong', (t) => {
  forSeeds(40, (seed) => {
    const net = new VirtualInternet({ seed })
    const nat = net.nat(HOME)
    const host = net.host({ behind: nat, link: { delayMs: 20 } })
    net.clock.setTimer(net.random.uniform(20, 700), () => nat.reboot())
    const { report } = discover(net, host, [net.stunServer().address])
    t.true(
      ['endpoint-independent', 'unknown'].includes(report.mapping.value),
      report.mapping.evidence.join('; '),
    )
    t.true(
      ['address-and-port-dependent', 'unknown'].includes(report.filtering.value),
      report.filtering.evidence.join('; '),
    )
  })
})

test('a home NAT behind a carrier’s shows the harder of both', (t) => {
  forSeeds(10, (seed) => {
    const net = new VirtualInternet({ seed })
    const carrier = net.nat({
      mapping: 'address-and-port-dependent',
      ports: { kind: 'random' },
      lan: '100.64.0.0/10',
    })
    const host = net.host({ behind: net.nat({ ...HOME, behind: carrier }) })
    const { report } = discover(net, host, [net.stunServer().address])
    t.is(report.mapping.value, 'address-and-port-dependent')
    t.is(report.filtering.value, 'address-and-port-dependent')
  })
})

test('latency of a satellite link and jitter make no wrong verdicts', (t) => {
  forSeeds(10, (seed) => {
    const net = new VirtualInternet({ seed })
    const link = { delayMs: 320, jitterMs: 60, loss: 0.02 }
    const nat = net.nat({ ...HOME, filtering: 'endpoint-independent' })
    const { report } = discover(net, net.host({ behind: nat, link }), [net.stunServer().address])
    t.true(['endpoint-independent', 'unknown'].includes(report.mapping.value))
    t.true(
      ['endpoint-independent', 'unknown'].includes(report.filtering.value),
      report.filtering.evidence.join('; '),
    )
  })
})

test('answers of others and garbage are ignored: only the right source with the right id counts', (t) => {
  const net = new VirtualInternet({ seed: 5 })
  const server = net.stunServer()
  const stranger = net.host()
  const host = net.host()
  const noise = stranger.openUdp({ family: 'ipv4' })
  const flood = () => {
    for (let port = 32_768; port < 33_800; port += 1)
      noise.send(net.random.bytes(40), transportAddress(host.ip, port))
  }
  net.clock.setTimer(5, flood)
  const { report } = discover(net, host, [server.address])
  t.is(report.mapping.value, 'none')
  const seen = report.publicAddress
  t.true(seen !== undefined && report.local !== undefined && sameAddress(seen, report.local))
})
