import test from 'ava'
import { INITIAL_WINDOW } from '../../../../lib/protocol/mux/frame.ts'
import type { MuxOptions } from '../../../../lib/protocol/mux/mux-options.ts'
import type { MuxStream } from '../../../../lib/protocol/mux/mux-stream.ts'
import { MuxPair } from './mux-pair.ts'
import type { LinkCharacter } from './mux-pair.ts'

const MIB = 1024 * 1024
const CHUNK = new Uint8Array(65_536)

interface Transfer {
  readonly bytesPerMs: number
  readonly largestWindow: number
  readonly streams: readonly number[]
}

/** Some streams of bulk data from a to b; the reader takes all at once, or at a rate of its own. */
function transfer(
  link: Partial<LinkCharacter>,
  over: {
    readonly ms: number
    readonly streams?: number
    readonly options?: Partial<MuxOptions>
    readonly readerBytesPerMs?: number
  },
): Transfer {
  const { ms, streams = 1, options = {}, readerBytesPerMs } = over
  const pair = new MuxPair({ pullLength: 65_536 + 1100, ...link }, options)
  const received = new Map<MuxStream, number>()
  let largestWindow = 0
  pair.b.onEvent = (event) => {
    if (event.kind === 'open') event.stream.accept()
    if (event.kind !== 'data') return
    received.set(event.stream, (received.get(event.stream) ?? 0) + event.bytes.length)
    if (readerBytesPerMs === undefined) event.stream.consume(event.bytes.length, pair.nowMs)
    largestWindow = Math.max(largestWindow, event.stream.receiveWindow)
  }
  const fill = (stream: MuxStream): void => {
    while (stream.write(CHUNK));
  }
  pair.a.onEvent = (event) => {
    if (event.kind === 'writable') fill(event.stream)
  }
  for (let i = 0; i < streams; i++) fill(pair.a.session.open('bulk', 0))
  for (let nowMs = 0; nowMs < ms; nowMs += 10) {
    pair.runUntil(nowMs)
    if (readerBytesPerMs === undefined) continue
    for (const stream of received.keys()) {
      stream.consume(Math.min(stream.heldLength, readerBytesPerMs * 10), nowMs)
      largestWindow = Math.max(largestWindow, stream.receiveWindow)
    }
  }
  const total = [...received.values()].reduce((sum, one) => sum + one, 0)
  return { bytesPerMs: total / ms, largestWindow, streams: [...received.values()] }
}

test('one stream fills a link of 50 MB/s with a round trip of 100 ms, its start included', (t) => {
  const { bytesPerMs, largestWindow } = transfer({ delayMs: 50, bytesPerMs: 50_000 }, { ms: 10_000 })
  t.true(bytesPerMs >= 0.9 * 50_000, `${bytesPerMs} B/ms`)
  t.true(largestWindow <= 16 * MIB)
})

test('the same stream with a window that may not grow is held to window / round trip', (t) => {
  const options = { maxWindow: INITIAL_WINDOW }
  const { bytesPerMs } = transfer({ delayMs: 50, bytesPerMs: 50_000 }, { ms: 10_000, options })
  t.true(bytesPerMs <= INITIAL_WINDOW / 100, `${bytesPerMs} B/ms`)
})

test('a window grows to what the path needs, not to what it may', (t) => {
  const { bytesPerMs, largestWindow } = transfer({ delayMs: 50, bytesPerMs: 5_000 }, { ms: 10_000 })
  t.true(bytesPerMs >= 0.9 * 5_000, `${bytesPerMs} B/ms`)
  t.true(largestWindow >= MIB && largestWindow <= 2 * MIB, `${largestWindow / MIB} MiB for 0.5 MB under way`)
})

test('a window does not grow on a short path, nor for a reader that is slow', (t) => {
  const short = transfer({ delayMs: 0.5, bytesPerMs: 50_000 }, { ms: 1_000 })
  t.is(short.largestWindow, INITIAL_WINDOW)
  t.true(short.bytesPerMs >= 0.9 * 50_000, `${short.bytesPerMs} B/ms`)
  const slow = transfer({ delayMs: 50, bytesPerMs: 50_000 }, { ms: 10_000, readerBytesPerMs: 500 })
  t.true(slow.largestWindow <= 2 * INITIAL_WINDOW, `${slow.largestWindow}`)
})

test('sixteen streams share a long link fairly and fill it', (t) => {
  const { bytesPerMs, streams } = transfer({ delayMs: 50, bytesPerMs: 50_000 }, { ms: 5_000, streams: 16 })
  t.true(bytesPerMs >= 0.9 * 50_000, `${bytesPerMs} B/ms`)
  const [least, most] = [Math.min(...streams), Math.max(...streams)]
  t.is(streams.length, 16)
  t.true(most <= 1.1 * least, `${least} to ${most}`)
})

test('windows share their budget: late streams get their part of what early ones had', (t) => {
  const receive = { maxWindowGrowth: 8 * MIB, maxHeld: 64 * MIB }
  const pair = new MuxPair({ delayMs: 50, bytesPerMs: 50_000, pullLength: 66_000 }, { receive })
  const windows = new Map<number, number>()
  pair.b.onEvent = (event) => {
    if (event.kind === 'open') event.stream.accept()
    if (event.kind !== 'data') return
    event.stream.consume(event.bytes.length, pair.nowMs)
    windows.set(event.stream.id, event.stream.receiveWindow)
    t.true(pair.b.session.memory.windowGrowth <= receive.maxWindowGrowth)
  }
  const fill = (stream: MuxStream): void => {
    while (stream.write(CHUNK));
  }
  pair.a.onEvent = (event) => {
    if (event.kind === 'writable') fill(event.stream)
  }
  fill(pair.a.session.open('early', 0))
  pair.runUntil(2_000)
  t.true((windows.get(1) ?? 0) >= 7 * MIB, 'the first one takes all')
  for (let i = 0; i < 3; i++) fill(pair.a.session.open('late', pair.nowMs))
  pair.runUntil(12_000)
  for (const [id, window] of windows) {
    t.true(window >= 1.5 * MIB && window <= 3.5 * MIB, `stream ${id}: ${window / MIB} MiB`)
  }
})
