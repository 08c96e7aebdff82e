import { createHash } from 'node:crypto'
import type { MultiaddrConnection } from '@libp2p/interface'
import type { MuxEvent } from '../../../lib/protocol/mux/mux-event.ts'
import { MuxSession } from '../../../lib/protocol/mux/mux-session.ts'
import type { MuxStream } from '../../../lib/protocol/mux/mux-stream.ts'

/** Our session on one end of a pipe of libp2p, without OPEN: plain yamux. */
export class OurMux {
  readonly session: MuxSession
  readonly events: MuxEvent['kind'][] = []
  readonly #connection: MultiaddrConnection
  readonly #streams = new Map<MuxStream, OurStream>()
  readonly #waiting = new Set<() => void>()
  /** What is done with a stream of theirs. */
  onStream: (stream: OurStream) => void = () => undefined
  #isPumping = false

  constructor(connection: MultiaddrConnection) {
    this.#connection = connection
    const role = connection.direction === 'outbound' ? 'initiator' : 'responder'
    this.session = new MuxSession({ role, hasOpenHeaders: false }, performance.now())
    connection.addEventListener('message', ({ data }) => {
      this.session.receive(data.subarray(), performance.now())
      this.pump()
    })
    connection.addEventListener('drain', () => this.pump())
    connection.addEventListener('close', () => {
      this.session.transportClosed()
      this.pump()
    })
    this.pump()
  }

  open(): OurStream {
    const stream = this.#enter(this.session.open(undefined, performance.now()))
    this.pump()
    return stream
  }

  /** Resolves once something is true. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  /** Tells what happened, and gives the pipe what it takes. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    this.#drain()
    while (this.session.hasOutput && this.#connection.status === 'open') {
      if (this.#connection.writableNeedsDrain) break
      for (const chunk of this.session.pull(65_536, performance.now())) this.#connection.send(chunk)
      this.#drain()
    }
    this.#isPumping = false
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  #drain(): void {
    for (let event = this.session.poll(); event !== undefined; event = this.session.poll()) {
      this.events.push(event.kind)
      if (event.kind === 'open') this.onStream(this.#enter(event.stream))
      else if ('stream' in event) this.#streams.get(event.stream)?.on(event)
    }
  }

  #enter(stream: MuxStream): OurStream {
    const entered = new OurStream(this, stream)
    this.#streams.set(stream, entered)
    return entered
  }
}

/** One of its streams; reads at once, unless it is told not to. */
export class OurStream {
  readonly stream: MuxStream
  readonly #mux: OurMux
  readonly #hash = createHash('sha256')
  #digest: string | undefined
  received = 0
  isReading = true
  isEchoing = false
  hasEnded = false
  isClosed = false
  resetCode: number | undefined

  constructor(mux: OurMux, stream: MuxStream) {
    this.#mux = mux
    this.stream = stream
  }

  /** Of all that came in. */
  get digest(): string {
    this.#digest ??= this.#hash.digest('hex')
    return this.#digest
  }

  async write(chunk: Uint8Array): Promise<void> {
    const isRoom = this.stream.write(chunk)
    this.#mux.pump()
    if (!isRoom) await this.#mux.until(() => this.stream.queuedLength <= 65_536 || this.stream.isOver)
  }

  end(): void {
    this.stream.end()
    this.#mux.pump()
  }

  reset(code: number): void {
    this.stream.reset(code)
    this.#mux.pump()
  }

  /** Takes what is held, and from now on everything at once. */
  read(): void {
    this.isReading = true
    this.stream.consume(this.stream.heldLength, performance.now())
    this.#mux.pump()
  }

  on(event: Extract<MuxEvent, { readonly stream: MuxStream }>): void {
    if (event.kind === 'data') this.#onData(event.bytes)
    if (event.kind === 'end') this.hasEnded = true
    if (event.kind === 'end' && this.isEchoing) this.stream.end()
    if (event.kind === 'closed') this.isClosed = true
    if (event.kind === 'reset') this.resetCode = event.code
  }

  #onData(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.received += bytes.length
    if (this.isEchoing) this.stream.write(bytes)
    if (this.isReading) this.stream.consume(bytes.length, performance.now())
  }
}
