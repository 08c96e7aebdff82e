import { Buffer } from 'node:buffer'
import { copyTo, viewOf } from '../base/byte-views.ts'
import { unclearedMemory } from '../base/uncleared-memory.ts'

/** Ours: as a full turn of a stream on the link, so that most frames are one piece. */
const BLOCK_LENGTH = 64 * 1024
/** Ours: blocks that are kept for the next writes while others are under way: as much as a link holds. */
const MAX_SPARE = 256
/** Ours: the same when nothing is: what a fast path has under way. */
const MAX_SPARE_AT_REST = 64

/** Ours: below this, a piece of its own costs more than fresh memory, which counts as pressure on the heap. */
const TINY = 256

/**
 * Ours: less is not looked up. The headers of frames, which come in between, have 12 bytes; a block of which a splinter is as
 * short is left to the garbage collector.
 */
const UNTRACKED = 16

/** Memory that pieces are cut from, front to back. */
interface Block {
  readonly bytes: Uint8Array
  /** Bytes that were cut off. */
  used: number
  /** Bytes of them that have not gone to the link. */
  unsent: number
  /** Behind the last of those that have: the peer has it all when it has everything before. */
  sentTo: number
}

/**
 * Copies of what applications write, in blocks that are used again once the peer has acknowledged them: fresh memory
 * counts as pressure, and for each 25 MB of it V8 would mark the whole heap.
 *
 * A block that is used up is free when all of it has gone to the link and is acknowledged. One of which a part never goes
 * (its stream was reset) is left to the garbage collector. Each session has its own: should a path that stalled ever send an
 * old record again, it goes to the same peer.
 */
export class SendMemory {
  readonly #blocks = new WeakMap<ArrayBufferLike, Block>()
  readonly #spare: Uint8Array[] = []
  /** Used up and sent, about in the order in which the peer will have them. */
  #sent: Block[] = []
  #open: Block | undefined

  /** Copies a chunk; answers the copy in pieces. */
  copy(chunk: Uint8Array): readonly Uint8Array[] {
    if (chunk.length < TINY) return [Buffer.from(chunk)]
    const open = this.#open
    // Nearly always for a small chunk: a list that grows would be larger than what is in it.
    if (open === undefined || open.used + chunk.length >= BLOCK_LENGTH) return this.#fill([chunk])
    const from = open.used
    append(chunk, 0, open)
    return [viewOf(open.bytes, from, open.used)]
  }

  /** Copies chunks one behind the other; answers the copies in as few pieces as that takes. */
  copyAll(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    return length < TINY ? [Buffer.concat(chunks)] : this.#fill(chunks)
  }

  #fill(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
    const pieces: Uint8Array[] = []
    let block = this.#open ?? this.#begin()
    let from = block.used
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        if (block.used === BLOCK_LENGTH) {
          pieces.push(cut(block, from))
          block = this.#begin()
          from = 0
        }
        at += append(chunk, at, block)
      }
    }
    if (block.used > from) pieces.push(cut(block, from))
    this.#open = block.used === BLOCK_LENGTH ? undefined : block
    return pieces
  }

  /** A piece, or a part of one, goes to the link as the bytes from `offset` on. */
  sending(piece: Uint8Array, offset: number): void {
    const block = piece.length < UNTRACKED ? undefined : this.#blocks.get(piece.buffer)
    if (block === undefined) return
    block.unsent -= piece.length
    block.sentTo = offset + piece.length
    if (block.unsent === 0 && block.used === BLOCK_LENGTH) this.#sent.push(block)
  }

  /** The peer has all bytes before `offset`. */
  acknowledged(offset: number): void {
    let free = 0
    for (const { bytes, sentTo } of this.#sent) {
      if (sentTo > offset) break
      free++
      this.#blocks.delete(bytes.buffer)
      if (this.#spare.length < MAX_SPARE) this.#spare.push(bytes)
    }
    if (free === 0) return
    this.#sent = this.#sent.slice(free)
    if (this.#sent.length === 0 && this.#spare.length > MAX_SPARE_AT_REST)
      this.#spare.length = MAX_SPARE_AT_REST
  }

  #begin(): Block {
    const bytes = this.#spare.pop() ?? unclearedMemory(BLOCK_LENGTH)
    const block = { bytes, used: 0, unsent: 0, sentTo: 0 }
    this.#blocks.set(bytes.buffer, block)
    return block
  }
}

/** Copies as much of a chunk, from `at` on, as a block has room for; answers how much. */
function append(chunk: Uint8Array, at: number, block: Block): number {
  const length = Math.min(chunk.length - at, BLOCK_LENGTH - block.used)
  copyTo(block.bytes, length === chunk.length ? chunk : viewOf(chunk, at, at + length), block.used)
  block.used += length
  block.unsent += length
  return length
}

/** What was appended since `from`. */
function cut({ bytes, used }: Block, from: number): Uint8Array {
  return used - from === bytes.length ? bytes : viewOf(bytes, from, used)
}
