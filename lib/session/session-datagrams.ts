import { ReachError } from '../base/errors.ts'
import { DatagramReader } from './datagram-reader.ts'
import { DatagramSender } from './datagram-sender.ts'
import type { SessionStream } from './session-stream.ts'

/** The stream that carries datagrams, one for each direction. Reserved, as all names with this start. */
export const DATAGRAM_SERVICE = 'p2p-reach.datagram'

/** The datagrams of a session, over a stream that is opened when the first one is sent. */
export class SessionDatagrams {
  readonly #open: () => SessionStream
  readonly #onDatagram: (bytes: Uint8Array) => void
  #sending: { readonly stream: SessionStream; readonly sender: DatagramSender } | undefined
  #droppedBefore = 0

  /** @param open opens a stream to {@link DATAGRAM_SERVICE} */
  constructor(open: () => SessionStream, onDatagram: (bytes: Uint8Array) => void) {
    this.#open = open
    this.#onDatagram = onDatagram
  }

  /** Datagrams of ours that came faster than the path takes them. */
  get dropped(): number {
    return this.#droppedBefore + (this.#sending?.sender.dropped ?? 0)
  }

  /** @throws {RangeError} when it is too long; what opening a stream throws */
  send(bytes: Uint8Array): void {
    if (this.#sending === undefined || this.#sending.stream.destroyed) {
      this.#droppedBefore = this.dropped
      const stream = this.#open()
      stream.on('error', () => undefined) // what was under way is lost, as datagrams are
      stream.resume()
      this.#sending = { stream, sender: new DatagramSender(stream) }
    }
    this.#sending.sender.send(bytes)
  }

  /** Takes the peer's stream. One that makes no sense is reset, and nothing else happens. */
  receive(stream: SessionStream): void {
    const reader = new DatagramReader()
    stream.accept()
    stream.on('error', () => undefined)
    stream.once('end', () => stream.end())
    stream.on('data', (chunk: Uint8Array) => {
      try {
        for (const bytes of reader.push(chunk)) this.#onDatagram(bytes)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
        stream.reset('bad-open')
      }
    })
  }

  /** Nothing more is sent: the session takes leave. */
  end(): void {
    this.#sending?.stream.end()
  }
}
