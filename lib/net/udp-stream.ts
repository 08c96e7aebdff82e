import { Duplex } from 'node:stream'
import { ReceiveCredit, SendCredit } from '../protocol/udp-stream/flow-window.ts'
import {
  encodeFrameHeader,
  MAX_DATA_FRAME_BYTES,
  StreamFrameParser,
  violation,
} from '../protocol/udp-stream/stream-frame.ts'
import { streamError } from './system-error.ts'
import type { UdxStream } from './udx-native.ts'

/**
 * Ours: what Node holds for writers and readers beside the window. TLS writes up to 160 KiB at once, and a buffer that
 * takes it all keeps the next record coming while udx sends.
 */
const HIGH_WATER_MARK_BYTES = 256 << 10

type WriteCallback = (error?: Error | null) => void

/** A write that is under way: its chunks, how far they are, and whom to tell. */
interface Writing {
  readonly chunks: readonly Uint8Array[]
  readonly callback: WriteCallback
  index: number
  offset: number
}

/**
 * A node:stream Duplex over a stream of udx, which is none (TLS waits for ever for the callbacks of its writes) and whose
 * sender hears nothing of a reader that has stopped: udx-native reads on whatever happens, hence the frames with credit.
 *
 * A write's callback means that udx took the bytes; they must not be changed afterwards, for udx sends them from where
 * they are. `finish` means that the other end has acknowledged everything.
 */
export class UdpStream extends Duplex {
  readonly #udx: UdxStream
  readonly #parser: StreamFrameParser
  readonly #sendCredit = new SendCredit()
  readonly #receiveCredit = new ReceiveCredit()
  /** Came in and is not yet parsed: one view over neighbouring packets, until the turn of the event loop is over. */
  #gathered: Uint8Array | undefined
  /** Parsed, while the reader wants nothing. Bounded by the credit that we gave. */
  readonly #waiting: Uint8Array[] = []
  #isWanted = false
  #writing: Writing | undefined
  /** True until udx says that it takes more. */
  #isCongested = false
  #isPeerEnded = false
  #isOwnEnded = false
  /** To be called when the other end has acknowledged our end. */
  #finishing: WriteCallback | undefined
  #isUdxClosed = false

  constructor(connected: UdxStream) {
    super({
      allowHalfOpen: true,
      decodeStrings: true,
      readableHighWaterMark: HIGH_WATER_MARK_BYTES,
      writableHighWaterMark: HIGH_WATER_MARK_BYTES,
    })
    this.#udx = connected
    this.#parser = new StreamFrameParser({
      onData: (bytes) => this.#receive(bytes),
      onCredit: (bytes) => this.#onCredit(bytes),
      onEnd: () => this.#onPeerEnd(),
    })
    connected.on('data', (packet: Uint8Array) => this.#gather(packet))
    connected.on('end', () => this.#onUdxEnd())
    connected.on('drain', () => this.#onDrain())
    connected.on('error', (error: Error) => this.destroy(streamError(error)))
    connected.on('close', () => this.#onUdxClose())
  }

  /** Smoothed round trip as udx measures it; 0 before the first acknowledgement. */
  get rttMs(): number {
    return this.#udx.rtt
  }

  override _read(): void {
    this.#isWanted = true
    this.#deliver()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: WriteCallback): void {
    this.#write([chunk], callback)
  }

  override _writev(writes: { readonly chunk: Uint8Array }[], callback: WriteCallback): void {
    this.#write(
      writes.map(({ chunk }) => chunk),
      callback,
    )
  }

  override _final(callback: WriteCallback): void {
    this.#finishing = callback
    this.#udx.write(encodeFrameHeader('end', 0))
    // False comes with the close of udx, which is told apart there.
    void this.#udx.flush().then((isAcknowledged) => {
      if (isAcknowledged) this.#finish()
    })
    this.#isOwnEnded = true
    this.#endUdx()
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    this.#gathered = undefined
    this.#waiting.length = 0
    // Both ends have everything: udx still tells the other one so, and closes by itself.
    const isDone = error === null && this.#isPeerEnded && this.writableFinished
    if (this.#isUdxClosed || isDone) return callback(error)
    this.#udx.once('close', () => callback(error))
    this.#udx.destroy()
  }

  #write(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    this.#writing = { chunks: chunks.filter(({ length }) => length > 0), callback, index: 0, offset: 0 }
    this.#pump()
  }

  /** Frames what credit and udx take; the write is over when udx has taken all of it. */
  #pump(): void {
    while (this.#mayWrite()) this.#writeFrame()
    const writing = this.#writing
    if (writing === undefined || this.#isCongested || writing.index < writing.chunks.length) return
    this.#writing = undefined
    writing.callback()
  }

  #mayWrite(): boolean {
    if (this.#writing === undefined || this.#isCongested) return false
    return this.#writing.index < this.#writing.chunks.length && this.#sendCredit.left > 0
  }

  #writeFrame(): void {
    const parts = this.#nextParts(Math.min(this.#sendCredit.left, MAX_DATA_FRAME_BYTES))
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    this.#sendCredit.spend(length)
    this.#send(encodeFrameHeader('data', length))
    for (const part of parts) this.#send(part)
  }

  #nextParts(limit: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    const writing = this.#writing
    while (writing !== undefined && limit > 0) {
      const chunk = writing.chunks[writing.index]
      if (chunk === undefined) break
      const part = chunk.subarray(writing.offset, writing.offset + limit)
      parts.push(part)
      limit -= part.length
      writing.offset += part.length
      if (writing.offset < chunk.length) break
      writing.index++
      writing.offset = 0
    }
    return parts
  }

  #send(bytes: Uint8Array): void {
    if (!this.#udx.write(bytes)) this.#isCongested = true
  }

  #onDrain(): void {
    this.#isCongested = false
    this.#pump()
  }

  /** Packets of one turn mostly lie side by side in udx's pool: seen as one, they cost one record of TLS less each. */
  #gather(packet: Uint8Array): void {
    const before = this.#gathered
    if (before !== undefined && isNeighbour(before, packet)) {
      const { buffer, byteOffset, byteLength } = before
      this.#gathered = new Uint8Array(buffer, byteOffset, byteLength + packet.byteLength)
      return
    }
    if (before === undefined) setImmediate(() => this.#parse())
    else this.#parse()
    this.#gathered = packet
  }

  #parse(): void {
    const bytes = this.#gathered
    this.#gathered = undefined
    if (bytes === undefined || this.destroyed) return
    try {
      this.#parser.parse(bytes)
    } catch (error) {
      this.destroy(error instanceof Error ? error : violation('a fault'))
    }
  }

  #receive(bytes: Uint8Array): void {
    this.#receiveCredit.receive(bytes.length)
    this.#waiting.push(bytes)
    this.#deliver()
  }

  #deliver(): void {
    while (this.#isWanted) {
      const bytes = this.#waiting.shift()
      if (bytes === undefined) break
      this.#isWanted = this.push(bytes)
      const credit = this.#receiveCredit.take(bytes.length)
      // Nobody waits for udx to take four bytes; and who has ended needs no credit.
      if (credit > 0 && !this.#isPeerEnded) this.#udx.write(encodeFrameHeader('credit', credit))
    }
    if (this.#isPeerEnded && this.#waiting.length === 0) this.push(null)
  }

  #onCredit(bytes: number): void {
    this.#sendCredit.add(bytes)
    this.#pump()
  }

  #onPeerEnd(): void {
    this.#isPeerEnded = true
    this.#deliver()
    this.#endUdx()
  }

  /** The stream of udx ends only when neither side has anything to say: a side that has ended still gives credit. */
  #endUdx(): void {
    if (this.#isPeerEnded && this.#isOwnEnded) this.#udx.end()
  }

  #onUdxEnd(): void {
    this.#parse()
    if (!this.#isPeerEnded) this.destroy(violation('an end in the middle of it'))
  }

  #onUdxClose(): void {
    this.#isUdxClosed = true
    // Without an error before, it has ended in both directions, and all is acknowledged.
    if (this.#isPeerEnded && this.#isOwnEnded) this.#finish()
    else if (!this.destroyed) this.destroy(streamError({ code: 'ECONNRESET' }))
  }

  #finish(): void {
    const callback = this.#finishing
    this.#finishing = undefined
    if (!this.destroyed) callback?.()
  }
}

function isNeighbour(before: Uint8Array, after: Uint8Array): boolean {
  return before.buffer === after.buffer && before.byteOffset + before.byteLength === after.byteOffset
}
