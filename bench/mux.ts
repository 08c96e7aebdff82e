/**
 * How fast two mux sessions are that are joined in memory: no sockets, no TLS, so this is what the mux itself costs.
 * Both sides and both directions run on one core. Prints only; figures depend on the machine.
 *
 *   npm run build:test && node build/bench/mux.js [ROUNDS] [SECONDS]
 *
 * Pieces: how the link brings the bytes (TLS gives records of 16 KiB; 256 KiB stands for a link that cuts nothing).
 */
import { cpus } from 'node:os'
import type { MuxEvent } from '../lib/protocol/mux/mux-event.ts'
import { MuxSession } from '../lib/protocol/mux/mux-session.ts'
import type { MuxStream } from '../lib/protocol/mux/mux-stream.ts'

const PULL_LENGTH = 256 * 1024
/** Streams that are open at once while opens are counted. */
const OPEN_AT_ONCE = 256

class Pair {
  readonly a = new MuxSession({ role: 'initiator', hasOpenHeaders: true }, performance.now())
  readonly b = new MuxSession({ role: 'responder', hasOpenHeaders: true }, performance.now())
  delivered = 0
  closed = 0
  onWritable: (stream: MuxStream) => void = () => undefined
  readonly #pieceLength: number

  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength
  }

  /** Moves one pull of each side to the other. */
  turn(): void {
    this.#move(this.a, this.b)
    this.#move(this.b, this.a)
  }

  #move(from: MuxSession, to: MuxSession): void {
    const nowMs = performance.now()
    for (const chunk of from.pull(PULL_LENGTH, nowMs)) {
      if (chunk.length <= this.#pieceLength) {
        to.receive(chunk, nowMs)
      } else {
        for (let at = 0; at < chunk.length; at += this.#pieceLength)
          to.receive(chunk.subarray(at, at + this.#pieceLength), nowMs)
      }
    }
    for (let event = to.poll(); event !== undefined; event = to.poll()) this.#on(event, nowMs)
    for (let event = from.poll(); event !== undefined; event = from.poll()) this.#on(event, nowMs)
  }

  #on(event: MuxEvent, nowMs: number): void {
    switch (event.kind) {
      case 'open':
        return event.stream.accept()
      case 'data':
        this.delivered += event.bytes.length
        return event.stream.consume(event.bytes.length, nowMs)
      case 'end':
        return event.stream.end()
      case 'writable':
        return this.onWritable(event.stream)
      case 'closed':
        if (event.stream.isOurs) this.closed++
        return
      case 'ended':
        throw new Error(`the session ended: ${event.end.kind}`)
      default:
        return
    }
  }
}

/** Opens streams with some first bytes, has them accepted and closed by both sides; answers how many a second. */
function measureOpens(seconds: number, firstLength: number): number {
  const pair = new Pair(PULL_LENGTH)
  const first = new Uint8Array(firstLength)
  const startMs = performance.now()
  let opened = 0
  let elapsedMs = 0
  while (elapsedMs < seconds * 1000) {
    while (opened - pair.closed < OPEN_AT_ONCE) {
      const stream = pair.a.open('web', performance.now())
      stream.write(first)
      stream.end()
      opened++
    }
    pair.turn()
    elapsedMs = performance.now() - startMs
  }
  if (pair.delivered < pair.closed * firstLength) throw new Error('bytes are missing')
  return (pair.closed * 1000) / elapsedMs
}

/** Keeps some streams full; answers bytes a second. */
function measureBulk(seconds: number, streams: number, chunkLength: number, pieceLength: number): number {
  const pair = new Pair(pieceLength)
  const chunk = new Uint8Array(chunkLength)
  const fill = (stream: MuxStream): void => {
    while (stream.write(chunk));
  }
  pair.onWritable = fill
  for (let i = 0; i < streams; i++) fill(pair.a.open('bulk', performance.now()))
  const startMs = performance.now()
  let elapsedMs = 0
  while (elapsedMs < seconds * 1000) {
    for (let i = 0; i < 16; i++) pair.turn()
    elapsedMs = performance.now() - startMs
  }
  return (pair.delivered * 1000) / elapsedMs
}

interface Case {
  readonly name: string
  readonly unit: string
  readonly scale: number
  readonly measure: (seconds: number) => number
}

const CASES: readonly Case[] = [
  { name: 'opens, no first bytes', unit: 'opens/s', scale: 1, measure: (s) => measureOpens(s, 0) },
  { name: 'opens, 100 first bytes', unit: 'opens/s', scale: 1, measure: (s) => measureOpens(s, 100) },
  bulk('1 stream, 64 KiB chunks', 1, 65_536, PULL_LENGTH),
  bulk('16 streams, 64 KiB chunks', 16, 65_536, PULL_LENGTH),
  bulk('1 stream, 64 KiB chunks, 16 KiB pieces', 1, 65_536, 16_384),
  bulk('16 streams, 64 KiB chunks, 16 KiB pieces', 16, 65_536, 16_384),
  bulk('1 stream, 16 KiB chunks', 1, 16_384, PULL_LENGTH),
  bulk('1 stream, 1 KiB chunks', 1, 1024, PULL_LENGTH),
]

function bulk(name: string, streams: number, chunkLength: number, pieceLength: number): Case {
  const measure = (seconds: number) => measureBulk(seconds, streams, chunkLength, pieceLength)
  return { name, unit: 'MB/s', scale: 1e6, measure }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

const [rounds = 5, seconds = 0.5] = process.argv.slice(2).map(Number)
console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}`)
const results = CASES.map(() => new Array<number>())
for (let round = 0; round < rounds; round++) {
  for (const [i, one] of CASES.entries()) results[i]?.push(one.measure(seconds) / one.scale)
}
for (const [i, one] of CASES.entries()) {
  const values = results[i] ?? []
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(0))
  console.log(`${one.name.padEnd(42)} ${median(values).toFixed(0).padStart(9)} ${one.unit} (${low}..${high})`)
}
