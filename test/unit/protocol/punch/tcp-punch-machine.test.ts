import test from 'ava'
import fc from 'fast-check'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import { formatAddress, transportAddress } from '../../../../lib/base/transport-address.ts'
import { MAX_TCP_ROUNDS, TcpPunchMachine } from '../../../../lib/protocol/punch/tcp-punch-machine.ts'
import type { TcpPunchMessage } from '../../../../lib/protocol/punch/tcp-punch-message.ts'
import type { TcpPunchEffect, TcpPunchOptions } from '../../../../lib/protocol/punch/tcp-punch-options.ts'

const tcp = (ip: string, port: number) => transportAddress(ip, port, 'tcp')
const SERVERS = [tcp('203.0.113.2', 443), tcp('203.0.113.9', 443)]
const PEER = tcp('198.51.100.50', 5000)
const OTHER = tcp('198.51.100.51', 5000)

type EffectOf<Kind extends TcpPunchEffect['kind']> = Extract<TcpPunchEffect, { kind: Kind }>

/** A machine with a clock, and all that it did, each with its time. */
class Bench {
  readonly machine: TcpPunchMachine
  readonly done: { readonly ms: number; readonly effect: TcpPunchEffect }[] = []
  nowMs = 0

  constructor(options: Partial<TcpPunchOptions> = {}) {
    let seed = 0
    this.machine = new TcpPunchMachine({
      ...{ role: 'controlled', servers: SERVERS, signallingRttMs: 80, portIsPreserved: false },
      maySendTo: () => true,
      randomBytes: (length) => Uint8Array.from({ length }, () => (seed = (seed * 167 + 59) & 0xff)),
      ...options,
    })
  }

  start(): this {
    this.machine.handle({ kind: 'start' }, this.nowMs)
    return this.#drain()
  }

  signal(message: TcpPunchMessage): this {
    this.machine.handle({ kind: 'signal', message }, this.nowMs)
    return this.#drain()
  }

  /** All servers that were asked about the port in use say this. */
  seen(mapped: TransportAddress | undefined): this {
    const { port } = this.last('ask')
    for (const { server } of this.all('ask').filter((ask) => ask.port === port)) {
      this.machine.handle({ kind: 'mapped', port, server, mapped }, this.nowMs)
    }
    return this.#drain()
  }

  takePort(): this {
    this.machine.handle({ kind: 'port-taken', port: this.last('ask').port }, this.nowMs)
    return this.#drain()
  }

  fail(code: string, to: TransportAddress = PEER): this {
    this.machine.handle({ kind: 'connect-failed', port: this.last('ask').port, to, code }, this.nowMs)
    return this.#drain()
  }

  /** Lets time pass up to this, waking the machine as its driver would. */
  until(ms: number): this {
    for (let due = this.machine.deadlineMs; due !== undefined && due <= ms; due = this.machine.deadlineMs) {
      this.nowMs = Math.max(this.nowMs, due)
      this.machine.handleTimeout(this.nowMs)
      this.#drain()
    }
    this.nowMs = ms
    return this
  }

  all<Kind extends TcpPunchEffect['kind']>(kind: Kind): EffectOf<Kind>[] {
    return this.done.flatMap(({ effect }) => (isOf(effect, kind) ? [effect] : []))
  }

  last<Kind extends TcpPunchEffect['kind']>(kind: Kind): EffectOf<Kind> {
    const found = this.all(kind).at(-1)
    if (found === undefined) throw new Error(`it did no ${kind}`)
    return found
  }

  timesOf(kind: TcpPunchEffect['kind']): number[] {
    return this.done.filter(({ effect }) => effect.kind === kind).map(({ ms }) => ms)
  }

  #drain(): this {
    for (let effect = this.machine.poll(); effect !== undefined; effect = this.machine.poll()) {
      this.done.push({ ms: this.nowMs, effect })
    }
    return this
  }
}

function isOf<Kind extends TcpPunchEffect['kind']>(
  effect: TcpPunchEffect,
  kind: Kind,
): effect is EffectOf<Kind> {
  return effect.kind === kind
}

const ready = (round: number, ...addresses: TransportAddress[]): TcpPunchMessage => ({
  kind: 'ready',
  round,
  addresses,
})
const go = (round: number): TcpPunchMessage => ({ kind: 'go', round })

/** In the first round, connecting to the peer since 0 ms. */
function connecting(options: Partial<TcpPunchOptions> = {}, ...addresses: TransportAddress[]): Bench {
  const bench = new Bench(options).start().seen(tcp('203.0.113.50', 7000))
  return bench.signal(ready(1, ...(addresses.length > 0 ? addresses : [PEER]))).signal(go(1))
}

test('both sides connect at the same moment, whatever their servers take and whoever starts later', (t) => {
  const oneWay = 40
  const [alice, bob] = [new Bench({ role: 'controlling' }), new Bench()]
  alice.start().until(30).seen(PEER)
  bob.until(200).start().until(230).seen(OTHER)
  alice.until(270).signal(bob.last('signal').message)
  t.deepEqual(alice.last('signal').message, go(1))
  bob.until(270).signal(ready(1, PEER)).until(310).signal(alice.last('signal').message)
  alice.until(1000)
  t.deepEqual([alice.timesOf('connect'), bob.timesOf('connect')], [[310], [310]])
  t.is(270 + oneWay, 310)
  t.deepEqual([alice.last('connect').to, bob.last('connect').to], [OTHER, PEER])
  t.is(alice.last('connect').port, alice.last('ask').port)
})

test('two servers are asked from one port; the second may be 300 ms behind the first', (t) => {
  const bench = new Bench().start()
  t.deepEqual(
    bench.all('ask').map(({ server }) => server),
    SERVERS,
  )
  const { port } = bench.last('ask')
  bench.until(100)
  bench.machine.handle({ kind: 'mapped', port, server: SERVERS[0] ?? PEER, mapped: PEER }, 100)
  bench.until(399)
  t.is(bench.all('signal').length, 0)
  bench.until(400)
  t.deepEqual(bench.last('signal').message, ready(1, PEER))
})

test('what is announced: each address once, what servers saw first, then the port that a NAT keeps', (t) => {
  const { port } = new Bench().start().last('ask')
  const mapped = tcp('203.0.113.50', 7000)
  const announced = (seen: TransportAddress, options: Partial<TcpPunchOptions>) =>
    new Bench(options).start().seen(seen).last('signal').message
  t.deepEqual(announced(mapped, {}), ready(1, mapped))
  t.deepEqual(announced(mapped, { portIsPreserved: true }), ready(1, mapped, tcp(mapped.ip, port)))
  t.deepEqual(announced(tcp(mapped.ip, port), { portIsPreserved: true }), ready(1, tcp(mapped.ip, port)))
  const routedIps = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4']
  const six = routedIps.slice(0, 3).map((ip) => tcp(ip, port))
  t.deepEqual(announced(mapped, { routedIps }), ready(1, mapped, ...six))
  t.deepEqual(announced(tcp(mapped.ip, 0), {}), ready(1))
})

test('a refused connection is tried again within 50 to 100 ms, from the same port, until the round ends', (t) => {
  const bench = connecting()
  for (let tries = 1; bench.nowMs < 3000 && tries < 100; tries++) {
    bench.fail(tries % 2 === 0 ? 'ECONNREFUSED' : 'ECONNRESET')
    bench.until(bench.machine.deadlineMs ?? Infinity)
  }
  const times = bench.timesOf('connect')
  const gaps = times.slice(1).map((ms, index) => ms - (times[index] ?? 0))
  t.true(gaps.length >= 29)
  for (const gap of gaps) t.true(gap >= 50 && gap < 100)
  t.is(new Set(gaps).size > 3, true)
  t.is(new Set(bench.all('connect').map(({ port }) => port)).size, 1)
})

test('what waiting does not cure is not tried again', (t) => {
  for (const code of ['ETIMEDOUT', 'ENETUNREACH', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EPERM']) {
    t.is(connecting().fail(code).until(2999).all('connect').length, 1)
  }
})

test('three rounds from three ports, asking other servers each time; the port of a round is released', (t) => {
  const servers = [1, 2, 3, 4, 5, 6].map((last) => tcp(`203.0.113.${last}`, 443))
  const bench = new Bench({ servers }).start()
  for (let round = 1; round <= MAX_TCP_ROUNDS; round++) {
    bench.seen(PEER).signal(ready(round, PEER)).signal(go(round))
    bench.until(bench.nowMs + 3000)
  }
  const ports = [...new Set(bench.all('ask').map(({ port }) => port))]
  t.is(ports.length, 3)
  for (const port of ports) t.true(port >= 10_000 && port < 32_768)
  t.deepEqual(
    bench.all('ask').map(({ server }) => server),
    servers,
  )
  t.deepEqual(
    bench.all('release').map(({ port }) => port),
    ports,
  )
  t.deepEqual(
    [bench.machine.rounds, bench.last('over').kind, bench.machine.deadlineMs],
    [3, 'over', undefined],
  )
  t.is(bench.signal(ready(3, PEER)).signal(go(3)).all('connect').length, 3)
})

test('a peer that gave a round up before us is followed, also while we ask', (t) => {
  t.is(connecting().signal(ready(2, PEER)).machine.rounds, 2)
  const asking = new Bench().start().signal(ready(2, PEER))
  t.is(asking.machine.rounds, 2)
  t.is(asking.seen(PEER).signal(go(2)).all('connect').length, 1)
})

test('a round in which no server answers is given up at once by both; three of them are all', (t) => {
  const bench = new Bench().start()
  for (let round = 1; round <= 3; round++) bench.seen(undefined).signal(ready(round, PEER))
  t.is(bench.nowMs, 0)
  t.deepEqual([bench.machine.rounds, bench.all('connect').length, bench.all('over').length], [3, 0, 1])
  const other = new Bench({ role: 'controlling' }).start().seen(PEER).signal(ready(1))
  t.deepEqual([other.machine.rounds, other.all('connect').length], [2, 0])
})

test('servers that say nothing are waited for 3 s, a peer 6 s', (t) => {
  const bench = new Bench().start().until(2999)
  t.is(bench.all('signal').length, 0)
  bench.until(3000)
  t.deepEqual(bench.last('signal').message, ready(1))
  t.is(bench.until(8999).all('over').length, 0)
  t.is(bench.until(9000).all('over').length, 1)
})

test('a port that is taken is given back for another one, four times at most', (t) => {
  const bench = new Bench().start().takePort()
  const [first, , second] = bench.all('ask')
  t.not(first?.port, second?.port)
  t.deepEqual([bench.last('release').port], [first?.port])
  t.is(bench.seen(PEER).all('signal').length, 1)
  const unlucky = new Bench().start().takePort().takePort().takePort()
  t.is(unlucky.all('over').length, 0)
  t.is(unlucky.takePort().all('over').length, 1)
})

test('a peer makes us connect only where we may, and to each address once', (t) => {
  const bench = connecting({ maySendTo: ({ ip }) => ip === PEER.ip }, PEER, OTHER, PEER, PEER)
  t.deepEqual(
    bench.all('connect').map(({ to }) => to),
    [PEER],
  )
  bench.signal(ready(1, OTHER)).signal(go(1)).signal(ready(4, PEER)).signal(go(64)).until(2999)
  t.is(bench.all('connect').length, 1)
})

test('whatever a peer says and the network does, rounds and connections stay bounded', (t) => {
  const address = fc.integer({ min: 1, max: 6 }).map((last) => tcp(`198.51.100.${last}`, 5000))
  const step = fc.oneof(
    fc.record({ round: fc.integer({ min: 1, max: 64 }), addresses: fc.array(address, { maxLength: 4 }) }),
    fc.integer({ min: 1, max: 64 }),
    fc.constantFrom('ECONNREFUSED', 'seen', 'taken', 'wait'),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, isControlling) => {
      const bench = new Bench({ role: isControlling ? 'controlling' : 'controlled' }).start()
      for (const one of steps) {
        if (typeof one === 'number') bench.signal(go(one))
        else if (typeof one === 'object') bench.signal(ready(one.round, ...one.addresses))
        else if (one === 'seen') bench.seen(PEER)
        else if (one === 'taken') bench.takePort()
        else if (one === 'wait') bench.until(bench.nowMs + 60)
        else for (const { to } of bench.all('connect')) bench.fail(one, to)
      }
      const connects = new Map<string, number>()
      for (const { port, to } of bench.all('connect')) {
        const key = `${port} ${formatAddress(to)}`
        connects.set(key, (connects.get(key) ?? 0) + 1)
      }
      bench.until(bench.nowMs + 100_000)
      return (
        bench.machine.rounds <= MAX_TCP_ROUNDS &&
        connects.size <= 4 * MAX_TCP_ROUNDS &&
        [...connects.values()].every((count) => count <= 61) &&
        bench.all('over').length === 1
      )
    }),
  )
  t.pass()
})
