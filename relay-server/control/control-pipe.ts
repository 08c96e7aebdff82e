import type { TLSSocket } from 'node:tls'
import type { ReachError } from '../../lib/base/errors.ts'
import type { Clock, Timer } from '../../lib/base/runtime.ts'
import {
  CONTROL_EXPORTER_LABEL,
  FrameReader,
  MAX_FRAME,
  MAX_STRANGER_FRAME,
  encodeFrame,
} from '../../lib/protocol/relay/control-frame.ts'
import type { ControlReply } from '../../lib/protocol/relay/control-reply.ts'
import { asReachError } from './control-refusal.ts'

/** Ours: members send a ping every 30 s; three may be lost. */
const SILENCE_TIMEOUT_MS = 100_000
/** Ours: a member that does not read is cut off before it costs more memory. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024
/** Ours: how long the last words may take to arrive. */
const FAREWELL_MS = 2000

/** A reply before it becomes JSON. */
export type Outgoing = Readonly<Record<string, unknown>> & { readonly type: ControlReply['type'] }

/**
 * The messages of one control connection, in and out. It cuts off who does not read, who is silent once it has become a
 * member, and who does not go when told to.
 */
export class ControlPipe {
  readonly #socket: TLSSocket
  readonly #clock: Clock
  readonly #onMessage: (text: string) => void
  readonly #frames = new FrameReader(MAX_STRANGER_FRAME)
  #isMembers = false
  #isEnding = false
  /** Cuts a member that is silent, or somebody who was told to go. */
  #timer: Timer | undefined

  /** @param onMessage may throw: then the other side is told why, and the connection ends */
  constructor(socket: TLSSocket, clock: Clock, onMessage: (text: string) => void) {
    this.#socket = socket
    this.#clock = clock
    this.#onMessage = onMessage
    socket.on('error', () => undefined) // 'close' follows
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk))
    socket.once('end', () => socket.end())
    socket.once('close', () => this.#timer?.cancel())
  }

  /** Nobody hears any more what is sent, or nothing that comes is wanted any more. */
  get isOver(): boolean {
    return this.#isEnding || this.#socket.destroyed
  }

  /** Bytes that both ends of this TLS connection know, and nobody else (RFC 8446 §7.5). */
  exportKeyingMaterial(): Buffer {
    return this.#socket.exportKeyingMaterial(32, CONTROL_EXPORTER_LABEL, Buffer.alloc(0))
  }

  /** The other side has proven who it is: its messages may be longer, and it has to speak. */
  becomeMembers(): void {
    this.#isMembers = true
    this.#frames.setLimit(MAX_FRAME)
    this.#awaitWords()
  }

  send(reply: Outgoing): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.#socket.write(encodeFrame(reply))
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#cut()
  }

  /** Tells what was refused. @param id of the request, if that stands alone: the connection goes on */
  refuse({ code, message, hint }: ReachError, id?: number): void {
    const about = { code, message, ...(hint === undefined ? {} : { hint }), timeMs: this.#clock.wallMs() }
    this.send({ type: 'refused', ...about, ...(id === undefined ? {} : { id }) })
  }

  /** Says why, and ends. */
  end(error: ReachError): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.refuse(error)
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(FAREWELL_MS, () => this.#cut())
    this.#socket.end()
  }

  #read(chunk: Uint8Array): void {
    if (this.#isMembers && !this.isOver) this.#awaitWords()
    try {
      for (const text of this.#frames.push(chunk)) {
        if (this.isOver) return
        this.#onMessage(text)
      }
    } catch (error) {
      this.end(asReachError(error))
    }
  }

  #awaitWords(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(SILENCE_TIMEOUT_MS, () => this.#cut())
  }

  #cut(): void {
    this.#socket.destroy()
  }
}
