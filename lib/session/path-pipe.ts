import type { Duplex } from 'node:stream'

/** What a path runs over (design §2). */
export type PathKind = 'relay' | 'direct-tcp' | 'direct-udp' | 'ssh'

/** What is known of a path from outside. */
export interface PathAbout {
  readonly kind: PathKind
  /** For people: the relay as HOST:PORT, or the address of the peer. */
  readonly via: string
}

/** What a pipe tells whoever drives it. */
export interface PathPipeEvents {
  /** The bytes are the receiver's from now on. */
  onBytes(bytes: Uint8Array): void
  /** It has room again after `hasRoom` was false. */
  onRoom(): void
  /** It is over, and nothing more comes. Called once. */
  onLost(): void
}

/** Ours: what waits inside the socket. More only delays what is more urgent; less, and a fast path runs dry. */
const HIGH_WATER = 256 * 1024

/** Ours: how long the last words of a path may take. */
const FAREWELL_MS = 2000

/** One secured connection to the peer, as bytes in and out: the socket's side of a path of a link. */
export class PathPipe {
  readonly id: number
  readonly about: PathAbout
  readonly #stream: Duplex
  readonly #events: PathPipeEvents
  readonly #later: (delayMs: number, callback: () => void) => { cancel(): void }
  #isOver = false

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
    stream.on('drain', () => this.#events.onRoom())
    stream.on('data', (chunk: Uint8Array) => {
      if (!this.#isOver) this.#events.onBytes(chunk)
    })
    stream.once('end', () => this.#lost())
    stream.once('close', () => this.#lost())
    stream.on('error', () => this.#lost())
    stream.resume() // whoever read its head has paused it
    if (stream.destroyed) this.#lost()
  }

  /** True when it takes bytes without making them wait long. */
  get hasRoom(): boolean {
    return !this.#isOver && this.#stream.writableLength < HIGH_WATER
  }

  /** What is written between these two leaves at once. */
  beginWrites(): void {
    this.#stream.cork()
  }

  endWrites(): void {
    this.#stream.uncork()
  }

  write(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#stream.write(chunk)
  }

  /** Says the last words, if it still can, and ends. */
  close(lastBytes?: Uint8Array): void {
    if (this.#isOver) return
    this.#isOver = true
    if (lastBytes !== undefined && lastBytes.length > 0) this.#stream.write(lastBytes)
    const timer = this.#later(FAREWELL_MS, () => this.#stream.destroy())
    this.#stream.once('close', () => timer.cancel())
    this.#stream.resume() // the peer's end closes it
    this.#stream.end()
  }

  destroy(): void {
    this.#isOver = true
    this.#stream.destroy()
  }

  #lost(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onLost()
    this.#stream.destroy()
  }
}
