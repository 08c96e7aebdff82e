import test from 'ava'
import fc from 'fast-check'
import { VirtualClock } from '../../sim/virtual-clock.ts'
import type { Meeting, RendezvousLimits, WaitingLeg } from '../../../relay-server/data/rendezvous.ts'
import { Rendezvous, rendezvousLimits } from '../../../relay-server/data/rendezvous.ts'
import { aParty } from './parties.ts'

const RUNS = { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200) }
const { timeoutMs, earlyMs } = rendezvousLimits

class FakeLeg implements WaitingLeg {
  onGone: (() => void) | undefined
  /** What it was told, last. */
  status = 'waiting'
  isRecognised = false

  readonly source: string

  constructor(source = 'here') {
    this.source = source
  }

  recognised(): void {
    this.isRecognised = true
  }

  refuse(status: string): void {
    if (this.status === 'gone') return
    if (this.status !== 'waiting') throw new Error(`${this.status}, then ${status}`)
    this.status = status
  }

  go(): void {
    if (this.status !== 'waiting') throw new Error(`${this.status}, then go`)
    this.status = 'go'
  }

  /** It ends by itself. */
  vanish(): void {
    this.status = 'gone'
    this.onGone?.()
  }
}

const alice = aParty('alice')
const bob = aParty('bob')
const match = { dialling: alice, dialled: bob }
const mine = new Uint8Array(32).fill(1)
const theirs = new Uint8Array(32).fill(2)

function aRendezvous(limits: Partial<RendezvousLimits> = {}): {
  readonly clock: VirtualClock
  readonly rendezvous: Rendezvous<FakeLeg>
  readonly meetings: Meeting<FakeLeg>[]
} {
  const clock = new VirtualClock()
  const meetings: Meeting<FakeLeg>[] = []
  const onMeeting = (meeting: Meeting<FakeLeg>) => {
    meetings.push(meeting)
    meeting.diallingLeg.go()
    meeting.dialledLeg.go()
  }
  return { clock, meetings, rendezvous: new Rendezvous(clock, onMeeting, limits) }
}

for (const order of [
  'leg, request, leg',
  'request, leg, leg',
  'request, leg of the other side, leg',
] as const) {
  test(`legs meet: ${order}`, (t) => {
    const { rendezvous, meetings, clock } = aRendezvous()
    const [one, two] = [new FakeLeg(), new FakeLeg()]
    if (order === 'leg, request, leg') rendezvous.arrived(mine, one)
    t.false(one.isRecognised)
    rendezvous.expect(match, mine, theirs)
    if (order === 'request, leg, leg') rendezvous.arrived(mine, one)
    rendezvous.arrived(theirs, two)
    if (order === 'request, leg of the other side, leg') rendezvous.arrived(mine, one)
    t.deepEqual([one.status, two.status, one.isRecognised, two.isRecognised], ['go', 'go', true, true])
    t.deepEqual(meetings, [{ ...match, diallingLeg: one, dialledLeg: two }])
    t.is(rendezvous.waiting, 0)
    // From now on they are somebody else's.
    t.is(one.onGone, undefined)
    clock.advance(timeoutMs)
    t.deepEqual([rendezvous.ticketCount, clock.pendingTimers], [0, 0])
  })
}

test('a leg that comes too early waits for its time, one whose peer is late for the pair’s', (t) => {
  const { rendezvous, clock } = aRendezvous()
  const early = new FakeLeg()
  rendezvous.arrived(mine, early)
  clock.advance(earlyMs - 1)
  t.is(early.status, 'waiting')
  clock.advance(1)
  t.is(early.status, 'ticket-unknown')
  const leg = new FakeLeg()
  rendezvous.expect(match, mine, theirs)
  rendezvous.arrived(mine, leg)
  clock.advance(timeoutMs - 1)
  t.is(leg.status, 'waiting')
  clock.advance(1)
  t.is(leg.status, 'peer-late')
  // For as long again, whoever comes is told why.
  const late = new FakeLeg()
  rendezvous.arrived(theirs, late)
  t.is(late.status, 'peer-late')
  clock.advance(timeoutMs)
  t.deepEqual([rendezvous.ticketCount, rendezvous.waiting, clock.pendingTimers], [0, 0, 0])
})

test('a ticket is good for one leg, before and after the meeting, and for one pair', (t) => {
  const { rendezvous, meetings } = aRendezvous()
  const legs = Array.from({ length: 4 }, () => new FakeLeg())
  t.false(rendezvous.isTaken(mine))
  for (const leg of legs.slice(0, 2)) rendezvous.arrived(mine, leg)
  t.false(rendezvous.isTaken(mine), 'a leg alone takes no ticket: anybody may bring one')
  rendezvous.expect(match, mine, theirs)
  t.true(rendezvous.isTaken(mine))
  for (const leg of legs.slice(2)) rendezvous.arrived(theirs, leg)
  t.deepEqual(
    legs.map(({ status }) => status),
    ['go', 'ticket-unknown', 'go', 'ticket-unknown'],
  )
  t.is(meetings.length, 1)
  t.true(rendezvous.isTaken(mine))
})

test('one leg vanishes: the other one is told, there or still on its way', (t) => {
  for (const isThere of [true, false]) {
    const { rendezvous } = aRendezvous()
    const [one, two] = [new FakeLeg(), new FakeLeg()]
    rendezvous.expect(match, mine, theirs)
    if (isThere) rendezvous.arrived(theirs, two)
    if (!isThere) rendezvous.arrived(mine, one)
    ;(isThere ? two : one).vanish()
    rendezvous.arrived(isThere ? mine : theirs, isThere ? one : two)
    t.is((isThere ? one : two).status, 'peer-gone')
    t.is(rendezvous.waiting, 0)
  }
})

test('limits: of one source, in all; who is refused counts no more', (t) => {
  const { rendezvous, clock } = aRendezvous({ maxWaiting: 3, maxWaitingPerSource: 2, maxTickets: 4 })
  const legs = ['a', 'a', 'a', 'b', 'b'].map((source) => new FakeLeg(source))
  for (const [at, leg] of legs.entries()) rendezvous.arrived(new Uint8Array(32).fill(at), leg)
  t.deepEqual(
    legs.map(({ status }) => status),
    ['waiting', 'waiting', 'busy', 'waiting', 'busy'],
  )
  t.false(rendezvous.isFull)
  rendezvous.refuse(new Uint8Array(32).fill(9), 'peer-gone')
  t.true(rendezvous.isFull)
  clock.advance(timeoutMs)
  t.deepEqual([rendezvous.waiting, rendezvous.isFull], [0, false])
})

test('closing refuses what waits and leaves no timer', (t) => {
  const { rendezvous, clock } = aRendezvous()
  const [one, early] = [new FakeLeg(), new FakeLeg()]
  rendezvous.expect(match, mine, theirs)
  rendezvous.arrived(mine, one)
  rendezvous.arrived(new Uint8Array(32), early)
  rendezvous.close()
  t.deepEqual([one.status, early.status], ['draining', 'draining'])
  t.deepEqual([rendezvous.waiting, rendezvous.ticketCount, clock.pendingTimers], [0, 0, 0])
})

test('whatever happens in whatever order: every leg is told once, nothing waits for ever, nothing is left', (t) => {
  const aStep = fc.oneof(
    fc.record({ kind: fc.constant('leg' as const), ticket: fc.nat(5), source: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constant('expect' as const), pair: fc.nat(2) }),
    fc.record({ kind: fc.constant('vanish' as const), leg: fc.nat(20) }),
    fc.record({ kind: fc.constant('refuse' as const), ticket: fc.nat(5) }),
    fc.record({ kind: fc.constant('advance' as const), byMs: fc.nat(12_000) }),
    fc.record({ kind: fc.constant('gone' as const), who: fc.constantFrom(alice, bob) }),
  )
  const ticketOf = (number: number) => new Uint8Array(32).fill(number)
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 60 }), (steps) => {
      const { rendezvous, clock, meetings } = aRendezvous({ maxWaiting: 6, maxWaitingPerSource: 4 })
      const legs: FakeLeg[] = []
      for (const step of steps) {
        if (step.kind === 'leg') {
          const leg = new FakeLeg(step.source)
          legs.push(leg)
          rendezvous.arrived(ticketOf(step.ticket), leg)
        } else if (step.kind === 'expect') {
          const [one, two] = [ticketOf(step.pair * 2), ticketOf(step.pair * 2 + 1)]
          // The relay draws the second one at random: nobody can have brought a leg for it.
          const isFresh = !rendezvous.isTaken(two) && !legs.some(({ status }) => status === 'waiting')
          if (!rendezvous.isTaken(one) && isFresh) rendezvous.expect(match, one, two)
        } else if (step.kind === 'vanish') {
          const leg = legs[step.leg]
          if (leg?.status === 'waiting') leg.vanish()
        } else if (step.kind === 'refuse') rendezvous.refuse(ticketOf(step.ticket), 'peer-gone')
        else if (step.kind === 'advance') clock.advance(step.byMs)
        else rendezvous.giveUpWhere(({ dialling, dialled }) => dialling === step.who || dialled === step.who)
        if (rendezvous.waiting !== legs.filter(({ status }) => status === 'waiting').length) return false
      }
      clock.advance(3 * timeoutMs)
      const went = legs.filter(({ status }) => status === 'go').length
      return (
        went === 2 * meetings.length &&
        legs.every(({ status }) => status !== 'waiting') &&
        rendezvous.waiting === 0 &&
        rendezvous.ticketCount === 0 &&
        clock.pendingTimers === 0
      )
    }),
    RUNS,
  )
  t.pass()
})
