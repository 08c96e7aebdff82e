import test from 'ava'
import { forSeeds } from './for-seeds.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatOptions, PortChoice } from './virtual-nat-options.ts'
import { Probe } from './virtual-probe.ts'

const APDM = 'address-and-port-dependent'

function scene(seed: number, options: NatOptions) {
  const net = new VirtualInternet({ seed })
  const server = net.host()
  const nat = net.nat(options)
  const host = net.host({ behind: nat })
  const observer = new Probe(net, server, { port: 3478 })
  /** The external ports of `count` new sockets, in the order in which they sent. */
  const portsOf = (count: number, from = host) =>
    Array.from({ length: count }, () => new Probe(net, from).showsPort(observer) ?? -1)
  return { net, server, nat, host, observer, portsOf }
}

const steps = (ports: readonly number[]) => ports.slice(1).map((port, i) => port - (ports[i] ?? 0))

test('preserving keeps the internal port', (t) => {
  const { net, host, observer } = scene(1, { ports: { kind: 'preserving' } })
  for (const port of [80, 5000, 65_535]) t.is(new Probe(net, host, { port }).showsPort(observer), port)
})

for (const whenTaken of ['next', 'random'] as const) {
  test(`preserving gives the second host with the same port another one (${whenTaken})`, (t) => {
    forSeeds(5, (seed) => {
      const { net, nat, host, observer } = scene(seed, { ports: { kind: 'preserving', whenTaken } })
      t.is(new Probe(net, host, { port: 5000 }).showsPort(observer), 5000)
      const second = new Probe(net, net.host({ behind: nat }), { port: 5000 }).showsPort(observer) ?? 0
      if (whenTaken === 'next') t.is(second, 5001)
      else t.true(second >= 1024 && second !== 5000 && second !== 5001)
    })
  })
}

test('preserving gives the port back once the mapping that held it has expired', (t) => {
  const { net, nat, host, observer } = scene(1, { udpTimeoutMs: 30_000 })
  t.is(new Probe(net, host, { port: 5000 }).showsPort(observer), 5000)
  net.clock.advance(31_000)
  t.is(new Probe(net, net.host({ behind: nat }), { port: 5000 }).showsPort(observer), 5000)
})

for (const step of [1, 2, -1, -3]) {
  test(`sequential ports differ by ${step} from one mapping to the next`, (t) => {
    forSeeds(5, (seed) => {
      const { portsOf } = scene(seed, { ports: { kind: 'sequential', step, min: 1024, max: 60_000 } })
      const seen = steps(portsOf(20))
      const wraps = seen.filter((each) => each !== step)
      t.true(wraps.length <= 1, seen.join())
    })
  })
}

test('sequential starts where it is told and wraps around at the end of its range', (t) => {
  const { portsOf } = scene(1, { ports: { kind: 'sequential', start: 2001, min: 2000, max: 2003 } })
  t.deepEqual(portsOf(4), [2001, 2002, 2003, 2000])
})

test('sequential backwards wraps around at the beginning of its range', (t) => {
  const { portsOf } = scene(1, { ports: { kind: 'sequential', step: -1, start: 2001, min: 2000, max: 2003 } })
  t.deepEqual(portsOf(4), [2001, 2000, 2003, 2002])
})

test('sequential ports are used up by other customers at the rate that is told', (t) => {
  forSeeds(5, (seed) => {
    const { net, host, observer } = scene(seed, {
      mapping: APDM,
      ports: { kind: 'sequential', start: 10_000, noisePerSecond: 100 },
    })
    const first = new Probe(net, host).showsPort(observer) ?? 0
    // An allocation in between must not count the time before it twice.
    net.clock.advance(7500)
    new Probe(net, host).showsPort(observer)
    net.clock.advance(1500)
    const last = new Probe(net, host).showsPort(observer) ?? 0
    t.true(Math.abs(last - first - 1002) < 130, `${last - first}`)
  })
})

test('sequential begins anew after a reboot', (t) => {
  const { nat, portsOf } = scene(1, { ports: { kind: 'sequential', start: 3000 } })
  t.deepEqual(portsOf(2), [3000, 3001])
  nat.reboot()
  t.deepEqual(portsOf(2), [3000, 3001])
})

test('sequential counts for all hosts together', (t) => {
  const { net, nat, portsOf } = scene(1, { ports: { kind: 'sequential', start: 3000 } })
  t.deepEqual(
    [...portsOf(2), ...portsOf(1, net.host({ behind: nat })), ...portsOf(1)],
    [3000, 3001, 3002, 3003],
  )
})

test('sequential takes a port per destination where the mapping depends on it', (t) => {
  const { net, server, host } = scene(1, {
    mapping: APDM,
    ports: { kind: 'sequential', start: 3000, step: 2 },
  })
  const socket = new Probe(net, host, { port: 5000 })
  const seen = [1, 2, 3].map((port) => socket.showsPort(new Probe(net, server, { port })))
  t.deepEqual(seen, [3000, 3002, 3004])
})

test('random ports fill the range and follow no pattern', (t) => {
  forSeeds(5, (seed) => {
    const { portsOf } = scene(seed, { ports: { kind: 'random' } })
    const ports = portsOf(64)
    t.is(new Set(ports).size, 64)
    t.true(
      Math.min(...ports) < 12_000 && Math.max(...ports) > 54_000,
      `${Math.min(...ports)} ${Math.max(...ports)}`,
    )
    t.true(Math.min(...ports) >= 1024)
    t.true(new Set(steps(ports)).size > 60)
  })
})

test('random ports stay within the range that is told', (t) => {
  const { portsOf } = scene(1, { ports: { kind: 'random', min: 20_000, max: 20_031 } })
  t.deepEqual(
    portsOf(32).sort((a, b) => a - b),
    Array.from({ length: 32 }, (_, i) => 20_000 + i),
  )
})

for (const kind of ['random', 'sequential'] as const) {
  test(`a ${kind} NAT without a free port drops, and works again when one is free`, (t) => {
    const { net, portsOf } = scene(1, { ports: { kind, min: 2000, max: 2001 }, udpTimeoutMs: 60_000 })
    t.is(portsOf(3)[2], -1)
    t.is(net.trace.dropped('no-port'), 1)
    net.clock.advance(60_000)
    t.true((portsOf(1)[0] ?? 0) >= 2000)
  })
}

test('each host has a block of its own, one after the other', (t) => {
  forSeeds(5, (seed) => {
    const { net, nat, portsOf } = scene(seed, { ports: { kind: 'block', size: 128, base: 4096 } })
    const first = portsOf(40)
    const second = portsOf(40, net.host({ behind: nat }))
    t.true(
      first.every((port) => port >= 4096 && port < 4224),
      first.join(),
    )
    t.true(
      second.every((port) => port >= 4224 && port < 4352),
      second.join(),
    )
    t.true(new Set(steps(first)).size > 5)
    t.is(new Set(first).size, 40)
  })
})

test('a block can be used in order, and no further than its end', (t) => {
  const { portsOf } = scene(1, { ports: { kind: 'block', size: 4, base: 5000, order: 'sequential' } })
  t.deepEqual(portsOf(5), [5000, 5001, 5002, 5003, -1])
})

const PARITY_CHOICES: readonly PortChoice[] = [
  { kind: 'random' },
  { kind: 'sequential' },
  { kind: 'sequential', step: 2 },
  { kind: 'block', size: 64 },
]

for (const ports of PARITY_CHOICES) {
  test(`parity is kept where it is told (RFC 4787 §4.2.2): ${JSON.stringify(ports)}`, (t) => {
    forSeeds(5, (seed) => {
      const { net, host, observer } = scene(seed, { ports, keepsParity: true })
      for (let port = 7000; port < 7010; port++) {
        const external = new Probe(net, host, { port }).showsPort(observer) ?? -1
        t.is(external % 2, port % 2)
      }
    })
  })
}

test('a pool of addresses is paired: each host keeps one, hosts get different ones (RFC 4787 §4.1)', (t) => {
  const { net, nat, host, observer } = scene(1, {
    externalIps: 3,
    pooling: 'paired',
    ports: { kind: 'random' },
  })
  const ipsOf = (from: typeof host) =>
    new Set(Array.from({ length: 10 }, () => new Probe(net, from).shows(observer)?.ip))
  const first = ipsOf(host)
  const second = ipsOf(net.host({ behind: nat }))
  t.is(first.size, 1)
  t.is(second.size, 1)
  t.notDeepEqual(first, second)
})

test('a pool of addresses is arbitrary where it is told: one host appears with all of them', (t) => {
  forSeeds(5, (seed) => {
    const { net, nat, host, observer } = scene(seed, { externalIps: 3, pooling: 'arbitrary' })
    const ips = new Set(Array.from({ length: 30 }, () => new Probe(net, host).shows(observer)?.ip))
    t.deepEqual([...ips].sort(), [...nat.externalIps].sort())
  })
})

test('a mapping keeps its address of the pool as long as it lives', (t) => {
  const { net, server, host } = scene(1, { externalIps: 4, pooling: 'arbitrary' })
  const socket = new Probe(net, host)
  const ips = [1, 2, 3, 4, 5, 6].map((port) => socket.shows(new Probe(net, server, { port }))?.ip)
  t.is(new Set(ips).size, 1)
})

test('external addresses can be given', (t) => {
  const { nat, host, net, observer } = scene(1, { externalIps: ['192.0.2.77'] })
  t.deepEqual(nat.externalIps, ['192.0.2.77'])
  t.is(new Probe(net, host).shows(observer)?.ip, '192.0.2.77')
})
