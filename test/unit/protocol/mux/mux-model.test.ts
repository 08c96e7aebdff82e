import test from 'ava'
import type { ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { MuxEvent } from '../../../../lib/protocol/mux/mux-event.ts'
import type { MuxStream } from '../../../../lib/protocol/mux/mux-stream.ts'
import { isPattern, patternAt } from '../link/pattern.ts'
import { MuxPair } from './mux-pair.ts'
import type { MuxSide } from './mux-pair.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 150)

const aLink = fc.record({
  delayMs: fc.constantFrom(0, 0.3, 20, 100),
  bytesPerMs: fc.constantFrom(Infinity, 50_000, 2_000),
  pieces: fc.array(fc.constantFrom(1, 5, 12, 100, 16_384, 1_000_000), { minLength: 1, maxLength: 4 }),
  pullLength: fc.constantFrom(1, 2_000, 70_000, 1_000_000),
})

const aLength = fc.constantFrom(0, 1, 300, 1_024, 1_025, 60_000, 100_000)

const anAction = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), by: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      which: fc.nat(19),
      length: aLength,
      times: fc.constantFrom(1, 1, 8),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(19) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('reset' as const),
      which: fc.nat(19),
      code: fc.nat(0xffff_ffff),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('decide' as const), which: fc.nat(19) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('read' as const), which: fc.nat(19), share: fc.nat(4) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 30, 250) }),
  },
)

type Action = typeof anAction extends fc.Arbitrary<infer T> ? T : never

/** One end of one stream, and what should be true of it. */
interface End {
  readonly stream: MuxStream
  /** Both ends of a stream have the same key. */
  readonly key: string
  written: number
  hasEnded: boolean
  received: number
  readonly resets: number[]
  sawEnd: boolean
  sawClosed: boolean
  sawAccepted: boolean
  wasResetHere: number | undefined
}

/** Two sessions, their streams, and the ledger of what went in and came out. */
class Model {
  readonly pair: MuxPair
  readonly ends: End[] = []
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext, pair: MuxPair) {
    this.#t = t
    this.pair = pair
    for (const side of [pair.a, pair.b]) side.onEvent = (event) => this.#on(side, event)
  }

  do(action: Action): void {
    if (action.kind === 'wait') return this.pair.runUntil(this.pair.nowMs + action.ms)
    if (action.kind === 'open') return this.#open(action.by ? this.pair.a : this.pair.b)
    const end = this.ends[action.which % Math.max(1, this.ends.length)]
    if (end !== undefined) this.#doWith(end, action)
  }

  /** Everybody accepts, reads and ends; then nothing moves any more. */
  finish(): void {
    for (let left = this.ends.length; left >= 0; left = this.#unfinished().length - 1) {
      this.pair.settle()
      for (const end of this.#unfinished()) {
        if (!end.stream.isOurs) end.stream.accept()
        end.stream.consume(end.stream.heldLength, this.pair.nowMs)
        end.stream.end()
        end.hasEnded = true
      }
    }
    // Several rounds: each lets a window's worth through.
    for (let round = 0; round < 40; round++) {
      this.pair.settle()
      for (const end of this.ends) end.stream.consume(end.stream.heldLength, this.pair.nowMs)
    }
  }

  #unfinished(): readonly End[] {
    return this.ends.filter(({ stream, hasEnded }) => !stream.isOver && (!hasEnded || !stream.isAccepted))
  }

  #open(by: MuxSide): void {
    if (by.session.openRefusal !== undefined) return
    this.#enter(by, by.session.open('service', this.pair.nowMs))
  }

  #enter(side: MuxSide, stream: MuxStream): void {
    const isA = side === this.pair.a
    this.ends.push({
      stream,
      key: `${isA === stream.isOurs ? 'a' : 'b'}${stream.id}`,
      written: 0,
      hasEnded: false,
      received: 0,
      resets: [],
      sawEnd: false,
      sawClosed: false,
      sawAccepted: false,
      wasResetHere: undefined,
    })
  }

  #doWith(end: End, action: Exclude<Action, { kind: 'open' | 'wait' }>): void {
    const { stream } = end
    const mayWrite = !end.hasEnded && !stream.isOver && (stream.isOurs || stream.isAccepted)
    switch (action.kind) {
      case 'write':
        for (let i = 0; mayWrite && i < action.times; i++) {
          stream.write(patternAt(end.written, action.length))
          end.written += action.length
        }
        return
      case 'end':
        if (!mayWrite) return
        stream.end()
        end.hasEnded = true
        return
      case 'reset':
        if (!stream.isOver) end.wasResetHere = action.code
        return stream.reset(action.code)
      case 'decide':
        if (!stream.isOurs) stream.accept()
        return
      case 'read':
        return stream.consume(Math.floor((stream.heldLength * action.share) / 4), this.pair.nowMs)
    }
  }

  #on(side: MuxSide, event: MuxEvent): void {
    if (event.kind === 'ended') return this.#t.fail(JSON.stringify(event.end))
    if (event.kind === 'draining') return
    if (event.kind === 'open') return this.#enter(side, event.stream)
    const end = this.ends.find(({ stream }) => stream === event.stream)
    if (end === undefined) return this.#t.fail(`${event.kind} of a stream that was never opened`)
    if (end.resets.length > 0 || end.wasResetHere !== undefined) this.#t.fail(`${event.kind} after a reset`)
    this.#note(end, event)
  }

  #note(end: End, event: Exclude<MuxEvent, { kind: 'ended' | 'draining' | 'open' }>): void {
    switch (event.kind) {
      case 'data':
        this.#t.false(end.sawEnd, 'data after the end')
        this.#t.true(isPattern(end.received, event.bytes), 'bytes are lost, repeated or out of order')
        end.received += event.bytes.length
        return
      case 'end':
        this.#t.false(end.sawEnd, 'a second end')
        end.sawEnd = true
        return
      case 'closed':
        this.#t.false(end.sawClosed, 'closed twice')
        end.sawClosed = true
        return
      case 'accepted':
        this.#t.false(end.sawAccepted, 'accepted twice')
        end.sawAccepted = true
        return
      case 'reset':
        end.resets.push(event.code)
        return
      case 'writable':
        this.#t.true(end.stream.queuedLength <= 65_536)
        return
    }
  }
}

test('whatever two sessions do, each byte arrives once and in order, and each end and reset is told', (t) => {
  let bytes = 0
  let resets = 0
  fc.assert(
    fc.property(aLink, fc.array(anAction, { maxLength: 60, size: 'max' }), (link, actions) => {
      const model = new Model(t, new MuxPair(link, { maxUnaccepted: 3, maxStreams: 6 }))
      for (const action of actions) model.do(action)
      model.finish()
      for (const end of model.ends) {
        const peer = model.ends.find((other) => other !== end && other.key === end.key)
        const wasReset = [end, peer].some(
          (one) => one !== undefined && (one.resets.length > 0 || one.wasResetHere !== undefined),
        )
        bytes += end.received
        t.true(end.stream.isOver)
        if (wasReset) {
          resets++
          if (end.resets.length > 0) t.is(end.resets[0], peer?.wasResetHere, 'nobody made this up')
          const wasMissed = peer?.wasResetHere === undefined && peer?.sawClosed === false
          if (end.wasResetHere !== undefined && wasMissed) t.deepEqual(peer.resets, [end.wasResetHere])
          continue
        }
        t.true(end.sawEnd && end.sawClosed)
        t.is(end.received, peer?.written ?? NaN)
        t.is(end.sawAccepted, end.stream.isOurs)
      }
      const { a, b } = model.pair
      t.deepEqual([a.session.streamCount, b.session.streamCount], [0, 0])
      const nothing = { held: 0, windowGrowth: 0 }
      t.deepEqual([a.session.memory, b.session.memory], [nothing, nothing])
    }),
    { numRuns: RUNS },
  )
  t.true(bytes > 1_000_000 && resets > 10, `${bytes} bytes, ${resets} resets`)
})
