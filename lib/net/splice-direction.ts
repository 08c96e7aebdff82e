import type { Duplex } from 'node:stream'
import { unclearedMemory } from '../base/uncleared-memory.ts'
import type { ChunkReader, ChunkSource } from './chunk-source.ts'
import { MAX_READ_BYTES, MIN_READ_BYTES, ReadSize } from './read-buffer.ts'
import type { ReadBufferPool } from './read-buffer.ts'
import type { ReadCrowd, WaitingReader } from './read-crowd.ts'
import type { SplicePace } from './splice-pace.ts'
import { pastWriter } from './write-past.ts'

/** What a direction of a splice shares with the rest of it. */
export interface SpliceDirectionOptions {
  readonly pool: ReadBufferPool
  /** Largest read in bytes. */
  readonly maxReadBytes: number
  /** Hears of each chunk, and may hold the next one back until `unhold()`. */
  readonly pace: SplicePace
  /** Everybody who reads in this process. */
  readonly crowd: ReadCrowd
}

/** Ours: chunks that a source has allocated are gathered up to this length for one write. */
const MAX_GATHERED_BYTES = 256 * 1024
/** Ours: a shorter one seldom has company, and somebody may wait for it. */
const MIN_GATHERED_BYTES = 4096

/** Ours: less is not what keeps a process busy, and somebody may wait for it. */
const MIN_BULK_BYTES = 32 * 1024

/** Ours: each costs some 50 bytes of the connection's life; so many make 50 KB at most. */
const MAX_RESTS = 1000

/**
 * - `idle`: not started
 * - `reading`: the next chunk may come at any time
 * - `writing`: the system has not taken all of the last chunk, so its buffer must rest
 * - `held`: by the rate limit
 * - `waiting`: for others to be read from, while more comes
 * - `ended`: nothing comes any more
 */
type DirectionState = 'idle' | 'reading' | 'writing' | 'held' | 'waiting' | 'ended'

/**
 * One direction of a splice: reads into a buffer of its own and writes from the same one. It reads on only when the
 * system has taken everything, so no read ever touches bytes that still wait to be written, and a stalled receiver
 * stops its sender with one buffer at most in between. Chunks that the source has allocated are gathered instead.
 */
export class SpliceDirection implements ChunkReader, WaitingReader {
  readonly #options: SpliceDirectionOptions
  readonly #size: ReadSize
  /** Kept for life: somewhere to read to when nothing is lent. */
  readonly #small = unclearedMemory(MIN_READ_BYTES)
  /** Where the next read goes. */
  #buffer: Uint8Array = this.#small
  /** A borrowed buffer that is not read into any more, but of which bytes wait to be written. */
  #retired: Uint8Array | undefined
  #source: ChunkSource | undefined
  #target: Duplex | undefined
  #writePast: ReturnType<typeof pastWriter>
  /** Something that was written past the queue of the target was not taken yet. */
  #isPending = false
  /** All goes past the queue of the target, one chunk at a time: it is always empty, and needs not be asked. */
  #isDirect = false
  #state: DirectionState = 'idle'
  #isGathering = false
  /** Bytes of the reads that have filled their buffers, one after the other. */
  #atOnce = 0
  #rests = 0
  #bytes = 0

  constructor(options: SpliceDirectionOptions) {
    this.#options = options
    this.#size = new ReadSize(options.maxReadBytes)
  }

  /** Bytes read so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of memory that its buffers take now. */
  get bufferBytes(): number {
    const borrowed = this.#buffer === this.#small ? 0 : this.#buffer.length
    return this.#small.length + borrowed + (this.#retired?.length ?? 0)
  }

  /** Begins to carry bytes, what was read before first. */
  start(source: ChunkSource, target: Duplex): void {
    this.#source = source
    this.#target = target
    this.#writePast = pastWriter(target)
    this.#isDirect = this.#writePast !== undefined && !source.allocates
    source.onEnd(() => this.#end())
    const { leftover } = source
    if (leftover === undefined || this.#carry(leftover)) this.#read()
  }

  /** Reads on after it was held back. Does nothing when it is not. */
  unhold(): void {
    if (this.#state === 'held') this.#read()
  }

  /** Reads on after it waited for others. */
  readOn(): void {
    if (this.#state === 'waiting') this.#read()
  }

  /** Nothing has moved for a while: it waits on with its small buffer. Not when it can't exchange them. */
  rest(): void {
    if (this.#state !== 'reading' || this.#buffer === this.#small) return
    const exchange = this.#source?.exchange
    if (exchange === undefined || this.#rests === MAX_RESTS) return
    this.#rests++
    this.#size.rest()
    exchange(this.#small)
    this.#giveBack(this.#buffer)
    this.#buffer = this.#small
  }

  /** Gives what was borrowed back. Only when neither end can read or write any more. */
  release(): void {
    this.#state = 'ended'
    this.#giveBack(this.#retired)
    this.#retired = undefined
    this.#giveBack(this.#buffer)
    this.#buffer = this.#small
  }

  onChunk(buffer: Uint8Array, count: number): boolean {
    // A source that allocates its buffers itself also chooses their size.
    if (buffer === this.#buffer) this.#size.next(count, buffer.length)
    return this.#carry(count === buffer.length ? buffer : buffer.subarray(0, count))
  }

  nextBuffer(): Uint8Array {
    const bytes = this.#size.bytes
    if (this.#buffer.length === bytes) return this.#buffer
    const next = bytes === MIN_READ_BYTES ? this.#small : this.#options.pool.borrow(bytes)
    if (next === undefined) return this.#buffer
    if (next !== this.#small) this.#options.pace.watchRest()
    if (this.#state === 'writing') this.#retired = this.#buffer
    else this.#giveBack(this.#buffer)
    this.#buffer = next
    return next
  }

  /** What was gathered leaves; true when the system has taken all of it, so that nobody looks at it again. */
  giveBack(): boolean {
    this.#ungather()
    return !this.#isPending && this.#target?.writableLength === 0
  }

  /** Writes a chunk; true when it may be read on at once. */
  #carry(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length
    this.#options.pace.onProgress(chunk.length)
    if (this.#isDirect) this.#writeNow(chunk)
    else this.#write(chunk)
    if (this.#state === 'ended') return false
    if (this.#mustWait()) this.#state = 'writing'
    else if (this.#options.pace.mustHold()) this.#state = 'held'
    else if (this.#doesWellToWait(chunk)) this.#state = 'waiting'
    else return true
    return false
  }

  /** It has read all that there was, and that was not much for a large read; others have, too. */
  #doesWellToWait(chunk: Uint8Array): boolean {
    if (!this.#isDirect) return false
    this.#atOnce += chunk.length
    if (chunk === this.#buffer) return false // it was filled: there may be more
    const count = this.#atOnce
    this.#atOnce = 0
    return count >= MIN_BULK_BYTES && count < MAX_READ_BYTES && this.#options.crowd.mustWait(this)
  }

  #writeNow(chunk: Uint8Array): void {
    this.#isPending = true
    this.#writePast?.(chunk, this.#onTaken)
  }

  #write(chunk: Uint8Array): void {
    const target = this.#target
    if (target?.writable !== true) {
      this.#state = 'ended'
      return
    }
    const isGathered = this.#source?.allocates === true && chunk.length >= MIN_GATHERED_BYTES
    if (this.#writePast !== undefined && !isGathered && !this.#isPending && target.writableLength === 0) {
      this.#writeNow(chunk)
      return
    }
    if (isGathered) this.#gather(target)
    target.write(chunk, this.#onWritten)
  }

  #mustWait(): boolean {
    if (this.#isDirect) return this.#isPending
    const waiting = this.#target?.writableLength ?? 0
    if (this.#source?.allocates === true) return waiting > MAX_GATHERED_BYTES
    return waiting > 0
  }

  readonly #onTaken = (error?: Error | null): void => {
    this.#isPending = false
    if (error) {
      this.#state = 'ended'
      this.#target?.destroy(error)
    } else this.#onWritten()
  }

  /** A TLS record has 16 KiB: those that come in one turn of the event loop leave in one write. */
  #gather(target: Duplex): void {
    if (this.#isGathering) return
    this.#isGathering = true
    target.cork()
    setImmediate(this.#ungather)
  }

  readonly #ungather = (): void => {
    if (!this.#isGathering) return
    this.#isGathering = false
    this.#target?.uncork()
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error || this.#state !== 'writing' || this.#target?.writableLength !== 0) return
    this.#giveBack(this.#retired)
    this.#retired = undefined
    this.#options.pace.onProgress(0)
    if (this.#options.pace.mustHold()) this.#state = 'held'
    else this.#read()
  }

  #read(): void {
    this.#state = 'reading'
    if (this.#buffer !== this.#small) this.#options.pace.watchRest()
    this.#source?.resume()
  }

  #end(): void {
    this.#state = 'ended'
    this.#target?.end()
  }

  #giveBack(buffer: Uint8Array | undefined): void {
    if (buffer !== undefined && buffer !== this.#small) this.#options.pool.giveBack(buffer)
  }
}
