import { duplexPair } from 'node:stream'
import { setImmediate as streamsSettle } from 'node:timers/promises'
import test from 'ava'
import { deferred } from '../../../lib/base/deferred.ts'
import { DirectCallee } from '../../../lib/peer/direct/direct-callee.ts'
import type { DirectMessage, TriedSummary } from '../../../lib/protocol/signaling/direct-message.ts'
import { encodeDirectMessage } from '../../../lib/protocol/signaling/direct-message.ts'
import { FakeClock } from '../net/support/fake-clock.ts'

/** One attempt that was begun. */
interface Begun {
  readonly attempt: number
  readonly received: DirectMessage[]
  isStopped: boolean
}

const NOTHING: TriedSummary = {
  ...{ recipe: undefined, sockets: 0, packetsSent: 0, packetsHeard: 0, tcpTries: 0 },
}

function calleeOf() {
  const clock = new FakeClock()
  const [theirs, ours] = duplexPair()
  theirs.resume()
  const begun: Begun[] = []
  const callee = new DirectCallee(ours, {
    clock,
    startAttempt({ attempt }) {
      const one: Begun = { attempt, received: [], isStopped: false }
      const result = deferred<TriedSummary>()
      begun.push(one)
      return {
        receive: (message) => one.received.push(message),
        result: result.promise,
        stop() {
          one.isStopped = true
          result.resolve(NOTHING)
        },
      }
    },
    takePath: () => Promise.resolve(),
    hasDirectPath: () => false,
    signallingRttMs: () => 0,
    onReport: () => undefined,
  })
  /** All in one piece, as after a time without a path. */
  const says = async (...messages: readonly DirectMessage[]) => {
    theirs.write(messages.map((message) => `${encodeDirectMessage(message)}\n`).join(''))
    await streamsSettle()
    await streamsSettle()
  }
  return { clock, callee, begun, says, theirs }
}

function offer(attempt: number): DirectMessage {
  const credentials = { ufrag: 'abcd', password: 'p'.repeat(24) }
  return { kind: 'offer', attempt, credentials, streams: undefined, tcp: true }
}

const attempts = (begun: readonly Begun[]) => begun.map(({ attempt }) => attempt)

test('of offers that come together the last one counts, with what came after it', async (t) => {
  const { clock, begun, says } = calleeOf()
  await says(offer(1), { kind: 'end', attempt: 1 }, offer(2), offer(3), { kind: 'end', attempt: 3 })
  t.deepEqual(attempts(begun), [1])
  // The peer is through with the first.
  t.true(begun[0]?.isStopped)
  clock.advance(999)
  t.is(begun.length, 1)
  clock.advance(1)
  t.deepEqual(attempts(begun), [1, 3])
  t.deepEqual(begun[1]?.received, [{ kind: 'end', attempt: 3 }])
  await says({ kind: 'end', attempt: 3 })
  t.is(begun[1]?.received.length, 2)
})

test('an offer that waits keeps 64 messages, and nothing of it is left when the signalling ends', async (t) => {
  const { clock, begun, says, theirs } = calleeOf()
  await says(offer(1), offer(2))
  for (let i = 0; i < 100; i++) await says({ kind: 'end', attempt: 2 })
  clock.advance(1000)
  t.is(begun[1]?.received.length, 64)
  await says(offer(3))
  t.is(clock.pendingTimers, 1)
  theirs.end()
  await streamsSettle()
  await streamsSettle()
  t.is(clock.pendingTimers, 0)
  t.deepEqual(attempts(begun), [1, 2])
  t.true(begun[1]?.isStopped)
})

test('an offer that comes a second after the last begins at once', async (t) => {
  const { clock, begun, says } = calleeOf()
  await says(offer(1))
  clock.advance(1000)
  await says(offer(2))
  t.deepEqual(attempts(begun), [1, 2])
})
