import { ReachError } from '../base/errors.ts'
import { DatagramReader } from '../protocol/datagram/datagram-frame.ts'
import { DatagramSender } from './datagram-sender.ts'
import type { SessionStream } from './session-stream.ts'

/** The stream that carries datagrams, one for each direction. Reserved, as all names with this start. */
export const DATAGRAM_SERVICE = 'p2p-reach.datagram'

/** RFC 9000 §14: 1200 bytes fit every path; what is in a datagram must fit with what seals it. */
export const MAX_DATAGRAM_LENGTH = 1200

/** Ours: what waits while the path is slower than the sender; beyond, the oldest goes, for news is worth more. */
const LIMITS = { maxBytes: 64 * 1024, maxAgeMs: 1000 } as const

/** A stream for datagrams, and the way beside it. */
export interface DatagramStream {
  readonly stream: SessionStream
  /** False when a datagram has to go through the stream. */
  readonly sendSealed: (bytes: Uint8Array) => boolean
  /** Takes what comes beside the stream from now on; the result ends that. */
  readonly receiveSealed: (take: (bytes: Uint8Array) => void) => () => void
}

/** The datagrams of a session, over a stream that is opened when the first one is sent, or sealed beside it. */
export class SessionDatagrams {
  readonly #open: () => DatagramStream
  readonly #onDatagram: (bytes: Uint8Array) => void
  readonly #nowMs: () => number
  #sending: (DatagramStream & { readonly sender: DatagramSender }) | undefined
  #droppedBefore = 0

  /** @param open opens a stream to {@link DATAGRAM_SERVICE} */
  constructor(open: () => DatagramStream, onDatagram: (bytes: Uint8Array) => void, nowMs: () => number) {
    this.#open = open
    this.#onDatagram = onDatagram
    this.#nowMs = nowMs
  }

  /** Datagrams of ours that came faster than the path takes them. */
  get dropped(): number {
    return this.#droppedBefore + (this.#sending?.sender.dropped ?? 0)
  }

  /** @throws {RangeError} when it is too long; what opening a stream throws */
  send(bytes: Uint8Array): void {
    if (bytes.length > MAX_DATAGRAM_LENGTH) {
      throw new RangeError(`a datagram has at most ${MAX_DATAGRAM_LENGTH} bytes, not ${bytes.length}`)
    }
    const { stream, sender, sendSealed } = this.#ready()
    if (!stream.isAccepted || !sendSealed(bytes)) sender.send(bytes)
  }

  /** Takes the peer's stream. One that makes no sense is reset, and nothing else happens. */
  receive({ stream, receiveSealed }: DatagramStream): void {
    const reader = new DatagramReader(MAX_DATAGRAM_LENGTH)
    stream.accept()
    stream.on('error', () => undefined)
    stream.once('end', () => stream.end())
    stream.once('close', receiveSealed(this.#onDatagram))
    stream.on('data', (chunk: Uint8Array) => {
      try {
        for (const bytes of reader.push(chunk)) this.#onDatagram(bytes)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
        stream.reset('malformed')
      }
    })
  }

  /** Nothing more is sent: the session takes leave. */
  end(): void {
    this.#sending?.stream.end()
  }

  #ready(): DatagramStream & { readonly sender: DatagramSender } {
    const current = this.#sending
    if (current !== undefined && !current.stream.destroyed) return current
    this.#droppedBefore = this.dropped
    const opened = this.#open()
    opened.stream.on('error', () => undefined) // what was under way is lost, as datagrams are
    opened.stream.resume()
    this.#sending = { ...opened, sender: new DatagramSender(opened.stream, LIMITS, this.#nowMs) }
    return this.#sending
  }
}
