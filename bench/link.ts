/**
 * How fast two links are that are joined in memory: no sockets, no TLS, so this is what the link itself costs. Sender,
 * receiver and both directions of acknowledgements run on one core. Beside each case stands the same pull loop with the
 * link left out (chunks handed over as they are). Prints only; figures depend on the machine.
 *
 *   npm run build:test && node build/bench/link.js [ROUNDS] [SECONDS]
 *
 * Cases: the length of the caller's chunks, and of the pieces in which a path brings them (TLS gives 16 KiB records).
 */
import { cpus } from 'node:os'
import { AttachReader } from '../lib/protocol/link/attach-reader.ts'
import { Link } from '../lib/protocol/link/link.ts'
import { ReplayBudget } from '../lib/protocol/link/replay-budget.ts'

interface Case {
  readonly name: string
  readonly chunkLength: number
  readonly chunksPerWrite: number
  readonly pieceLength: number
}

const CASES: readonly Case[] = [
  { name: '64 KiB chunks, 64 KiB pieces', chunkLength: 65_536, chunksPerWrite: 4, pieceLength: 65_536 },
  { name: '64 KiB chunks, 16 KiB pieces', chunkLength: 65_536, chunksPerWrite: 4, pieceLength: 16_384 },
  { name: '16 KiB chunks, 16 KiB pieces', chunkLength: 16_384, chunksPerWrite: 16, pieceLength: 16_384 },
  { name: '1 KiB messages, one a write', chunkLength: 1024, chunksPerWrite: 1, pieceLength: 16_384 },
  { name: '12 B + 1 KiB, one a write', chunkLength: 518, chunksPerWrite: 2, pieceLength: 16_384 },
]

interface Result {
  readonly bytesPerS: number
  readonly recordsPerS: number
  readonly ackShare: number
}

class Pair {
  readonly a: Link
  readonly b: Link
  delivered = 0
  wireBytes = 0
  ackBytes = 0
  records = 0
  readonly #pieceLength: number

  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength
    const budget = new ReplayBudget()
    const key = new Uint8Array(32)
    const sessionId = new Uint8Array(16)
    this.a = new Link({ role: 'initiator', sessionId, peerKey: key, budget }, performance.now())
    this.b = new Link({ role: 'responder', sessionId, peerKey: key, budget }, performance.now())
    this.a.dial(1, key, performance.now())
    const hello = Buffer.concat(this.a.pull(1, performance.now()))
    const read = new AttachReader().push(hello)
    if (read === undefined) throw new Error('no attach')
    this.b.accept(1, read.request, key, performance.now())
    this.turn()
  }

  /** Moves all that both sides have to say. */
  turn(): void {
    for (let moved = true; moved;) {
      const there = this.#move(this.a, this.b)
      const back = this.#move(this.b, this.a)
      this.wireBytes += there
      this.ackBytes += back
      moved = there + back > 0
    }
  }

  #move(from: Link, to: Link): number {
    const nowMs = performance.now()
    const chunks = from.pull(1, nowMs)
    let length = 0
    for (const chunk of chunks) {
      length += chunk.length
      for (let at = 0; at < chunk.length; at += this.#pieceLength) {
        to.receive(
          1,
          chunk.length <= this.#pieceLength ? chunk : chunk.subarray(at, at + this.#pieceLength),
          nowMs,
        )
      }
    }
    if (length > 0 && from === this.a) this.records++
    for (let effect = to.poll(); effect !== undefined; effect = to.poll()) {
      if (effect.kind === 'data') this.delivered += effect.bytes.length
    }
    while (from.poll() !== undefined);
    return length
  }
}

function measureLink({ chunkLength, chunksPerWrite, pieceLength }: Case, seconds: number): Result {
  const pair = new Pair(pieceLength)
  const chunks = Array.from({ length: chunksPerWrite }, () => new Uint8Array(chunkLength))
  const { delivered, records } = pair
  const startMs = performance.now()
  let elapsedMs = 0
  let written = 0
  while (elapsedMs < seconds * 1000) {
    for (let i = 0; i < 64; i++) {
      if (pair.a.canWrite) {
        pair.a.write(chunks)
        written += chunkLength * chunksPerWrite
      }
      pair.turn()
    }
    elapsedMs = performance.now() - startMs
    pair.a.handleTimeout(performance.now())
    pair.b.handleTimeout(performance.now())
  }
  if (pair.delivered - delivered > written || pair.delivered === delivered)
    throw new Error('bytes do not add up')
  const perS = 1000 / elapsedMs
  return {
    bytesPerS: (pair.delivered - delivered) * perS,
    recordsPerS: (pair.records - records) * perS,
    ackShare: pair.ackBytes / pair.wireBytes,
  }
}

/** The same work without a link: each chunk is cut into pieces and counted. */
function measureNothing({ chunkLength, chunksPerWrite, pieceLength }: Case, seconds: number): number {
  const chunks = Array.from({ length: chunksPerWrite }, () => new Uint8Array(chunkLength))
  const startMs = performance.now()
  let bytes = 0
  let elapsedMs = 0
  while (elapsedMs < seconds * 1000) {
    for (let i = 0; i < 64; i++) {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += pieceLength)
          bytes += chunk.subarray(at, at + pieceLength).length
      }
    }
    elapsedMs = performance.now() - startMs
  }
  return (bytes * 1000) / elapsedMs
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

const [rounds = 5, seconds = 0.5] = process.argv.slice(2).map(Number)
console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}`)
const results = CASES.map(() => ({ link: new Array<Result>(), bare: new Array<number>() }))
for (let round = 0; round < rounds; round++) {
  for (const [i, one] of CASES.entries()) {
    results[i]?.link.push(measureLink(one, seconds))
    results[i]?.bare.push(measureNothing(one, seconds / 4))
  }
}
for (const [i, one] of CASES.entries()) {
  const { link = [], bare = [] } = results[i] ?? {}
  const bytesPerS = median(link.map((result) => result.bytesPerS))
  const nsPerRecord = 1e9 / median(link.map((result) => result.recordsPerS))
  const nsPerRecordBare = (1e9 * (bytesPerS / (1e9 / nsPerRecord))) / median(bare)
  const ackShare = median(link.map((result) => result.ackShare))
  console.log(
    `${one.name.padEnd(30)} ${(bytesPerS / 1e6).toFixed(0).padStart(8)} MB/s ` +
      `${nsPerRecord.toFixed(0).padStart(7)} ns a record (${nsPerRecordBare.toFixed(0)} without a link), ` +
      `acks ${(ackShare * 100).toFixed(3)} % of the bytes`,
  )
}
