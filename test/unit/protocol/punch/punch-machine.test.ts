import test from 'ava'
import fc from 'fast-check'
import type { NatBehavior, PortAllocation } from '../../../../lib/base/nat-behavior.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { PunchMessage } from '../../../../lib/protocol/punch/punch-message.ts'
import { decodeStun } from '../../../../lib/protocol/stun/message.ts'
import { PunchRun } from './punch-run.ts'
import { EASY, HARD } from '../../../support/nat-behaviors.ts'

/** The night has more (scripts/night.mjs). */
const RUNS = Math.min(5000, Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200))
const PEER = transportAddress('192.0.2.1', 4000)
/** What the allowance lets through in a second: 200, and a burst of 50. */
const MOST_PER_SECOND = 250

function ready(round: number, more: Partial<Extract<PunchMessage, { kind: 'ready' }>> = {}): PunchMessage {
  return { kind: 'ready', round, addresses: [PEER], min: 1024, max: 65_535, step: 0, ...more }
}

/** A controlling machine that fires at what the peer announced. */
function firing(ours = EASY, theirs = EASY, message = ready(1)): PunchRun {
  const run = new PunchRun({ role: 'controlling', ours, theirs })
  run.feed({ kind: 'start' })
  run.feed({ kind: 'signal', message })
  run.runUntil(100)
  return run
}

test('a forged check is not answered, and a replayed answer proves nothing', (t) => {
  const run = firing()
  const sent = run.packets.length
  t.true(sent > 0)
  const forged = run.theirCheck()
  forged[forged.length - 12] = (forged[forged.length - 12] ?? 0) ^ 1
  run.receive(forged, PEER)
  // Our own check, sent back as it came.
  for (const { bytes } of [...run.packets]) run.receive(bytes, PEER)
  t.is(run.packets.length, sent)
  t.is(run.machine.counters.checksReceived, 0)
  t.false(run.machine.counters.heard)
  t.false(run.kinds().includes('connected'))
})

test('a check with our own role is not answered: roles are given out by signalling', (t) => {
  const run = firing()
  const sent = run.packets.length
  run.receive(run.theirCheck({ role: 'controlling', useCandidate: true }), PEER)
  t.is(run.packets.length, sent)
})

test('an answered check of the peer is answered where it came from, and checked back', (t) => {
  const run = firing()
  const elsewhere = transportAddress('192.0.2.1', 4321)
  run.receive(run.theirCheck(), elsewhere)
  const classes = run.packets.filter(({ to }) => to.port === 4321).map(({ bytes }) => decodeStun(bytes).class)
  t.deepEqual(classes, ['success', 'request'])
  t.true(run.machine.counters.heard)
})

test('a liar that announces 8 IPs of others in each round gets 8 in all', (t) => {
  const victims = (round: number) =>
    Array.from({ length: 8 }, (_, i) => transportAddress(`192.0.2.${round * 10 + i}`, 53))
  const run = firing(EASY, EASY, ready(1, { addresses: victims(1) }))
  for (let round = 2; round <= 4; round++) {
    run.feed({ kind: 'signal', message: ready(round, { addresses: victims(round) }) })
    run.runUntil(run.nowMs + 1000)
  }
  run.runUntil(60_000)
  t.true(run.ips.size > 0 && run.ips.size <= 8)
  t.true(run.packets.length < 400)
})

test('a check replayed from a hundred forged sources is answered at 8 of them', (t) => {
  const run = firing()
  const check = run.theirCheck()
  for (let i = 0; i < 100; i++) run.receive(check, transportAddress(`198.18.0.${i}`, 9))
  run.runUntil(30_000)
  t.true(run.ips.size <= 8)
  t.true(run.peakPerSecond <= MOST_PER_SECOND)
})

test('private addresses get nothing where the driver says so, announced or heard', (t) => {
  const run = new PunchRun({
    role: 'controlling',
    ours: EASY,
    theirs: EASY,
    maySendTo: ({ ip }) => !ip.startsWith('10.'),
  })
  const inside = transportAddress('10.0.0.9', 22)
  run.feed({ kind: 'start' })
  run.feed({ kind: 'signal', message: ready(1, { addresses: [inside, PEER] }) })
  run.runUntil(200)
  run.receive(run.theirCheck(), inside)
  run.runUntil(20_000)
  t.deepEqual([...run.ips], [PEER.ip])
})

test('a storm at whatever a liar announces ends after 10 s and 200 packets a second', (t) => {
  for (const more of [{ min: 1, max: 65_535 }, { min: 53, max: 53 }, { addresses: [] }]) {
    const run = firing(EASY, HARD, ready(1, more))
    t.is(run.machine.recipe.name, 'birthday')
    run.runUntil(60_000)
    t.true(run.peakPerSecond <= MOST_PER_SECOND)
    t.true(run.packets.length <= 2050)
    t.true((run.packets.at(-1)?.atMs ?? 0) <= 11_000)
    t.is(run.kinds().at(-1), 'failed')
    t.is(run.openSockets.size, 0)
  }
})

test('floods of go and of old rounds change nothing; jumps in rounds end with the recipe’s last', (t) => {
  const run = new PunchRun({ role: 'controlled', ours: EASY, theirs: EASY })
  run.feed({ kind: 'start' })
  for (let i = 0; i < 1000; i++) run.feed({ kind: 'signal', message: { kind: 'go', round: i % 64 } })
  t.is(run.packets.length, 0)
  for (const round of [64, 5, 3, 1, 1, 2, 4, 4, 63]) run.feed({ kind: 'signal', message: ready(round) })
  run.runUntil(60_000)
  t.true(run.machine.counters.rounds <= 4)
  t.true(run.machine.counters.sockets <= 4)
  t.is(run.openSockets.size, 0)
})

test('who gives up says whether it heard anything, and is believed', (t) => {
  const run = firing()
  run.receive(run.theirCheck(), PEER)
  run.feed({ kind: 'signal', message: { kind: 'over', round: 1, heard: false } })
  t.deepEqual(run.effects.at(-2), { kind: 'signal', message: { kind: 'over', round: 1, heard: true } })
  t.is(run.kinds().at(-1), 'failed')
  const { heard, wasHeard } = run.machine.counters
  t.deepEqual([heard, wasHeard], [true, false])
})

const ALLOCATIONS: readonly PortAllocation[] = ['preserving', 'sequential', 'random', 'block']
const behaviors: fc.Arbitrary<NatBehavior> = fc.record({
  mapping: fc.constantFrom('endpoint-independent', 'address-dependent', 'address-and-port-dependent'),
  filtering: fc.constantFrom('endpoint-independent', 'address-dependent', 'address-and-port-dependent'),
  portAllocation: fc.constantFrom(...ALLOCATIONS),
})
const ports = fc.integer({ min: 1, max: 65_535 })
const addresses = fc.record({ ip: fc.ipV4(), port: ports }).map(({ ip, port }) => transportAddress(ip, port))
const messages: fc.Arbitrary<PunchMessage> = fc.oneof(
  fc.record({ kind: fc.constant('go'), round: fc.nat(64) }),
  fc.record({ kind: fc.constant('over'), round: fc.nat(64), heard: fc.boolean() }),
  fc
    .record({
      round: fc.nat(6),
      addresses: fc.array(addresses, { maxLength: 8 }),
      edges: fc.tuple(ports, ports),
      step: fc.integer({ min: -1024, max: 1024 }),
    })
    .map(({ edges, ...rest }) => ({
      kind: 'ready' as const,
      ...rest,
      min: Math.min(...edges),
      max: Math.max(...edges),
    })),
)
type Step =
  | { readonly kind: 'signal'; readonly message: PunchMessage }
  | { readonly kind: 'check'; readonly times: number; readonly useCandidate: boolean }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'wait'; readonly ms: number }
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('signal'), message: messages }),
  fc.record({
    kind: fc.constant('check'),
    times: fc.integer({ min: 1, max: 50 }),
    useCandidate: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('bytes'), bytes: fc.uint8Array({ maxLength: 200 }) }),
  fc.record({ kind: fc.constant('wait'), ms: fc.nat(2000) }),
)

test('whatever a peer says, sends and repeats: nothing throws, packets and IPs are bounded, and it ends', (t) => {
  fc.assert(
    fc.property(
      behaviors,
      behaviors,
      fc.boolean(),
      fc.array(steps, { maxLength: 25 }),
      fc.array(addresses, { minLength: 12, maxLength: 12 }),
      (ours, theirs, weControl, script, sources) => {
        const role = weControl ? 'controlling' : 'controlled'
        const run = new PunchRun({ role, ours, theirs })
        run.feed({ kind: 'start' })
        for (const step of script) play(run, step, sources, weControl)
        run.runUntil(run.nowMs + 120_000)
        const { sockets, rounds } = run.machine.counters
        const hasEnded = ['failed', 'connected'].some((kind) => run.kinds().includes(kind))
        return (
          run.peakPerSecond <= MOST_PER_SECOND &&
          run.ips.size <= 8 &&
          sockets <= 300 &&
          rounds <= 4 &&
          hasEnded &&
          run.openSockets.size <= 1
        )
      },
    ),
    { numRuns: RUNS },
  )
  t.pass()
})

function play(run: PunchRun, step: Step, sources: readonly (typeof PEER)[], weControl: boolean): void {
  switch (step.kind) {
    case 'signal':
      return run.feed(step)
    case 'wait':
      return run.runUntil(run.nowMs + step.ms)
    case 'bytes':
      return run.receive(step.bytes, PEER)
    case 'check':
      for (let i = 0; i < step.times; i++) {
        const role = weControl ? 'controlled' : 'controlling'
        const check = run.theirCheck({ role, useCandidate: step.useCandidate })
        run.receive(check, sources[i % sources.length] ?? PEER)
      }
  }
}
