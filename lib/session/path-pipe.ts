import { Buffer } from 'node:buffer'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { copyTo } from '../base/byte-views.ts'
import { Fifo } from '../base/fifo.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { unclearedMemory } from '../base/uncleared-memory.ts'
import { readGathered } from '../net/gathered-reader.ts'
import { writePast } from '../net/write-past.ts'
import type { DatagramCarrier } from './datagram-carrier.ts'

/** What a path runs over (design §2). */
export type PathKind = 'relay' | 'direct-tcp' | 'direct-udp' | 'ssh'

/** Leads to the peer without anybody in between. */
export function isDirect({ kind }: Pick<PathFacts, 'kind'>): boolean {
  return kind === 'direct-tcp' || kind === 'direct-udp'
}

/** What is known of a path from outside. */
export interface PathFacts {
  readonly kind: PathKind
  /** For people: the relay as HOST:PORT, or the address of the peer. */
  readonly via: string
  /** How a relay is reached: `direct`, `tls`, `websocket`, the same behind `connect-proxy+` or `socks5+`. */
  readonly way?: string
  /** Silence in ms that the way there bears for sure, where it is known to bear little. */
  readonly keepaliveMs?: number
  /** Our end of it, where it is known. */
  readonly local?: TransportAddress
  /** Its other end: the relay, or the peer as we see it. */
  readonly remote?: TransportAddress
}

/** A path, as whoever made it hands it over. */
export interface PathAbout extends PathFacts {
  /** For datagrams, beside the path's stream. The session closes it with the path, and its host where none comes of it. */
  readonly carrier?: DatagramCarrier
}

/** What a pipe tells whoever drives it. */
export interface PathPipeEvents {
  /**
   * Those bytes of a block from `from` up to `to` came in.
   * @returns true when nobody needs them any more; else they are the receiver's from now on
   */
  onBytes(block: Uint8Array, from: number, to: number): boolean
  /** It has room again after `takesMore` answered false. */
  onRoom(): void
  /** It is over, and nothing more comes. Called once. */
  onLost(): void
}

/** Ours: what is written at once. More only delays what is more urgent; less costs TLS more for each byte. */
const HIGH_WATER = 256 * 1024

/** Chunks are joined here for one write. One for all pipes: it is free again when the write returns. */
const scratch = unclearedMemory(2 * HIGH_WATER).buffer

const NOTHING = new Uint8Array(0)

/** Ours: how long the last words of a path may take. */
const FAREWELL_MS = 2000

/** One secured connection to the peer, as bytes in and out: the socket's side of a path of a link. */
export class PathPipe {
  readonly id: number
  readonly about: PathAbout
  readonly #stream: Duplex
  readonly #events: PathPipeEvents
  readonly #later: (delayMs: number, callback: () => void) => { cancel(): void }
  readonly #isTls: boolean
  /** What the next write consists of. */
  readonly #gathered = new Fifo<Uint8Array>()
  #gatheredLength = 0
  /** Writes that the stream has not taken. Counted, for all streams share one `writableLength`, which V8 can't make fast. */
  #waiting = 0
  /** Somebody has asked, and there was none. */
  #isRoomWanted = false
  #isOver = false
  /** To be said before the end, which is due; undefined: it is not. */
  #lastBytes: Uint8Array | undefined

  /** @param later makes a timer */
  constructor(
    id: number,
    about: PathAbout,
    stream: Duplex,
    later: (delayMs: number, callback: () => void) => { cancel(): void },
    events: PathPipeEvents,
  ) {
    this.id = id
    this.about = about
    this.#stream = stream
    this.#events = events
    this.#later = later
    this.#isTls = stream instanceof TLSSocket
    stream.on('error', () => undefined) // 'close' follows
    // Something of the handshake may still be under way: room is there behind it.
    if (stream.writableLength > 0) this.#queue(NOTHING)
  }

  /** Reads from now on, and hears of its end. */
  read(): void {
    const stream = this.#stream
    stream.once('close', () => this.#lost())
    readGathered(stream, {
      onBytes: (block, from, to) => this.#isOver || this.#events.onBytes(block, from, to),
      onEnd: () => this.#lost(),
    })
    if (stream.destroyed) this.#lost()
  }

  /**
   * True when it takes bytes without making them wait long: the system has taken all of the last write. When it has not,
   * `onRoom` follows.
   */
  takesMore(): boolean {
    if (this.#isOver) return false
    this.#isRoomWanted = this.#waiting > 0
    return !this.#isRoomWanted && this.#gatheredLength < HIGH_WATER
  }

  /** They leave with `flush`, all at once. */
  write(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) {
      this.#gathered.push(chunk)
      this.#gatheredLength += chunk.length
    }
  }

  flush(): void {
    if (this.#gatheredLength === 0 || this.#waiting > 0) return
    const bytes = this.#joined()
    this.#gatheredLength = 0
    this.#write(bytes)
  }

  /** Says the last words, if it still can, and ends. */
  close(lastBytes: Uint8Array = NOTHING): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#lastBytes = lastBytes
    const timer = this.#later(FAREWELL_MS, () => this.#stream.destroy())
    this.#stream.once('close', () => timer.cancel())
    this.#stream.resume() // the peer's end closes it
    if (this.#waiting === 0) this.#end()
  }

  destroy(): void {
    this.#isOver = true
    this.#stream.destroy()
  }

  /** To TLS past the queue of its Writable, which is of no use: nothing is written while something waits. */
  #write(bytes: Uint8Array): void {
    if (!this.#isTls) return this.#queue(bytes)
    this.#waiting++
    writePast(this.#stream, bytes, this.#onWritten)
  }

  /** Behind what others have written. */
  #queue(bytes: Uint8Array): void {
    this.#waiting++
    this.#stream.write(bytes, this.#onWritten)
  }

  readonly #onWritten = (error?: Error | null): void => {
    this.#waiting--
    if (error) this.#stream.destroy(error)
    else if (this.#isOver) this.#end()
    else {
      this.flush()
      if (!this.#isRoomWanted) return
      this.#isRoomWanted = false
      this.#events.onRoom()
    }
  }

  #end(): void {
    if (this.#lastBytes === undefined) return // nobody has said so
    if (this.#lastBytes.length > 0) this.#stream.write(this.#lastBytes)
    this.#stream.end()
  }

  /**
   * One chunk for one write: TLS encrypts that as it is, where it would first allocate and copy several. It has encrypted or
   * copied all of it by the time that `_write` returns (Node's TLSWrap::DoWrite, the same from 18 to 24), so that the memory
   * can be used again; whatever is no TLSSocket gets memory of its own.
   */
  #joined(): Uint8Array {
    const first = this.#gathered.shift()
    if (first === undefined || this.#gathered.length === 0) return first ?? NOTHING
    const length = this.#gatheredLength
    const into =
      this.#isTls && length <= scratch.byteLength
        ? new Uint8Array(scratch, 0, length)
        : Buffer.allocUnsafe(length)
    let at = 0
    for (let chunk: Uint8Array | undefined = first; chunk !== undefined; chunk = this.#gathered.shift()) {
      copyTo(into, chunk, at)
      at += chunk.length
    }
    return into
  }

  #lost(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onLost()
    this.#stream.destroy()
  }
}
