import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { unclearedMemory } from '../base/uncleared-memory.ts'
import { takeLeftover } from './chunk-source.ts'
import { givenMemory } from './given-memory.ts'
import { onreadSocket } from './onread.ts'

/** What a {@link readGathered} tells. */
export interface GatheredEvents {
  /**
   * Those bytes of a block from `from` up to `to`.
   * @returns true when nobody needs them any more; else they are the receiver's, and nobody writes to them later
   */
  onBytes(block: Uint8Array, from: number, to: number): boolean
  /** The other side has ended its direction, after all of its bytes. */
  onEnd(): void
}

/** RFC 8446 §5.1: a record of this length is seldom the last one of what was written. */
const FULL_RECORD = 16 * 1024
/** Ours: somewhere to read to while little comes; whoever keeps a few bytes of it keeps all of it. */
const SMALL_BLOCK = 32 * 1024
/** Ours: fewer and longer blocks while much comes; more than this gains nothing. */
const LARGE_BLOCK = 256 * 1024
/** Ours: so many times in a row little has come: the large block is given back. */
const SMALL_TURNS = 8

/**
 * Reads a connection from now on. TLS comes in records of 16 KiB, each in memory that Node allocates for it, and each a
 * call of its own: here they are gathered in one block, and told once, at the end of what one turn of the event loop brings.
 * A block of which nothing is needed any more is filled again: fresh memory counts as pressure, for which V8 marks the heap.
 * Where that can't be done, and for any other stream, chunks are told as Node reads them.
 */
export function readGathered(stream: Duplex, events: GatheredEvents): void {
  stream.pause()
  const leftover = takeLeftover(stream)
  if (leftover !== undefined) events.onBytes(leftover, 0, leftover.length)
  const socket = stream instanceof TLSSocket ? onreadSocket(stream) : undefined
  if (socket === undefined) {
    stream.on('data', (chunk: Uint8Array) => events.onBytes(chunk, 0, chunk.length))
    stream.once('end', () => events.onEnd())
  } else {
    const gatherer = new Gatherer((block, from, to) => events.onBytes(block, from, to))
    socket.readInto(
      gatherer.block,
      () => gatherer.nextBuffer(),
      (count) => gatherer.onRead(count),
    )
    stream.once('end', () => {
      gatherer.flush()
      events.onEnd()
    })
  }
  stream.resume()
}

/** Fills blocks from front to back, and tells what was filled since it last did. */
class Gatherer {
  readonly #onBytes: GatheredEvents['onBytes']
  #block = unclearedMemory(SMALL_BLOCK)
  /** What is filled and was not told. */
  #from = 0
  #to = 0
  /** Where the next record was last told to go. */
  #told: Uint8Array = this.#block
  #isFlushDue = false
  /** The receiver needs something of what it was told of this block. */
  #isKept = false
  #smallTurns = 0

  constructor(onBytes: GatheredEvents['onBytes']) {
    this.#onBytes = onBytes
  }

  /** Where the first record goes. */
  get block(): Uint8Array {
    return this.#block
  }

  /** Where the next record goes; undefined: to the same place. */
  nextBuffer(): Uint8Array | undefined {
    // Only here: at any other time the next record may be on its way to where it was told to go.
    if (this.#from === this.#to && !this.#isKept) this.#refill()
    if (this.#block.length - this.#to < FULL_RECORD) this.#nextBlock()
    const next = this.#to === 0 ? this.#block : this.#block.subarray(this.#to)
    if (next === this.#told) return undefined
    this.#told = next
    return next
  }

  onRead(count: number): true {
    this.#to += count
    if (count < FULL_RECORD || this.#to - this.#from >= LARGE_BLOCK - FULL_RECORD) this.flush()
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true
      setImmediate(this.#flushDue)
    }
    return true
  }

  flush(): void {
    if (this.#from === this.#to) return
    const from = this.#from
    this.#from = this.#to
    const wasKept = this.#isKept
    this.#isKept = true // should the receiver throw
    this.#isKept = !this.#onBytes(this.#block, from, this.#to) || wasKept
  }

  /** Large when much has come at once: the block was filled without a rest. */
  #nextBlock(): void {
    const wasBurst = this.#to - this.#from >= FULL_RECORD
    this.flush()
    const length = wasBurst ? LARGE_BLOCK : SMALL_BLOCK
    if (this.#isKept) givenMemory.note(this.#block.length)
    if (this.#isKept || this.#block.length < length) this.#block = unclearedMemory(length)
    this.#rewind()
  }

  /** The block again, or a small one where that has been enough for a while. */
  #refill(): void {
    this.#smallTurns = this.#to < SMALL_BLOCK ? this.#smallTurns + 1 : 0
    if (this.#smallTurns >= SMALL_TURNS && this.#block.length > SMALL_BLOCK) {
      this.#block = unclearedMemory(SMALL_BLOCK)
    }
    this.#rewind()
  }

  #rewind(): void {
    this.#isKept = false
    this.#from = 0
    this.#to = 0
  }

  readonly #flushDue = (): void => {
    this.#isFlushDue = false
    this.flush()
  }
}
