/** Ours: as a full turn of a stream on the link, so that most frames are one piece. */
const BLOCK_LENGTH = 64 * 1024
/** Ours: blocks that are kept for the next writes; what a fast path has under way. */
const MAX_SPARE = 64

/** One stream's part in it: the block of which bytes went to the link last. */
export interface BlockWriter {
  lastSent: Uint8Array | undefined
}

/** A block that was sent as a whole, somewhere before an offset of the link. */
interface SentBlock {
  readonly block: Uint8Array
  readonly beforeOffset: number
}

/**
 * Copies of what applications write, in blocks that are used again once the peer has acknowledged them: fresh memory
 * counts as pressure, and for each 25 MB of it V8 would mark the whole heap.
 *
 * A block holds bytes of one stream. Streams send in order, so when bytes of a later block go to the link, those of the
 * one before have gone: it is free when all before them is acknowledged. What gets no successor is left to the garbage
 * collector. Each session has its own: should a path that stalled ever send an old record again, it goes to the same peer.
 */
export class SendMemory {
  readonly #writers = new WeakMap<ArrayBufferLike, BlockWriter>()
  readonly #spare: Uint8Array[] = []
  #sent: SentBlock[] = []

  /** Copies a chunk; answers the copy in pieces. */
  copy(writer: BlockWriter, chunk: Uint8Array): readonly Uint8Array[] {
    const pieces: Uint8Array[] = []
    let at = 0
    for (; at + BLOCK_LENGTH <= chunk.length; at += BLOCK_LENGTH) {
      const block = this.#spare.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(BLOCK_LENGTH).buffer)
      block.set(chunk.subarray(at, at + BLOCK_LENGTH))
      this.#writers.set(block.buffer, writer)
      pieces.push(block)
    }
    if (at < chunk.length) pieces.push(Buffer.from(chunk.subarray(at)))
    return pieces
  }

  /** A piece, or a part of one, goes to the link as the bytes from `offset` on. */
  sending(piece: Uint8Array, offset: number): void {
    const writer = this.#writers.get(piece.buffer)
    if (writer === undefined) return
    const { lastSent } = writer
    if (lastSent?.buffer === piece.buffer) return
    if (lastSent !== undefined) this.#sent.push({ block: lastSent, beforeOffset: offset })
    writer.lastSent = new Uint8Array(piece.buffer)
  }

  /** The peer has all bytes before `offset`. */
  acknowledged(offset: number): void {
    let free = 0
    for (const { block, beforeOffset } of this.#sent) {
      if (beforeOffset > offset) break
      free++
      this.#writers.delete(block.buffer)
      if (this.#spare.length < MAX_SPARE) this.#spare.push(block)
    }
    if (free > 0) this.#sent = this.#sent.slice(free)
  }
}
