import type { Clock, Timer } from '../base/runtime.ts'
import type { AcceptedSocket } from '../net/tcp-server.ts'
import { readCheckMessage } from '../protocol/ice/connectivity-check.ts'
import { CheckFrameReader, encodeCheckFrame } from '../protocol/punch/check-frames.ts'
import { findAttribute } from '../protocol/stun/message.ts'

/** Who hears what becomes of a {@link TcpStranger}; exactly one call. */
export interface TcpStrangerSink {
  /** The first check is addressed to this fragment. Who made it is still to be found out. @param read all that came */
  onNamed(ufrag: string, read: Uint8Array): void
  onGarbage(): void
  onSilent(): void
}

/** Ours: the first check comes with the first segment of data; two lost ones take TCP 3 s. */
const SILENCE_MS = 5000

/** A connection that came in and has not said yet whom it wants. Costs whoever sends it a check, us a CRC. */
export class TcpStranger {
  readonly #socket: AcceptedSocket
  readonly #sink: TcpStrangerSink
  readonly #frames = new CheckFrameReader()
  readonly #timer: Timer

  constructor(socket: AcceptedSocket, clock: Clock, sink: TcpStrangerSink) {
    this.#socket = socket
    this.#sink = sink
    this.#timer = clock.setTimer(SILENCE_MS, this.#onSilent)
    socket.on('data', this.#onData).once('end', this.#onSilent).once('close', this.#onSilent)
  }

  /** Gives the socket away, paused. */
  release(): AcceptedSocket {
    this.#timer.cancel()
    this.#socket.off('data', this.#onData).off('end', this.#onSilent).off('close', this.#onSilent)
    return this.#socket.pause()
  }

  close(): void {
    this.release().destroy()
  }

  readonly #onSilent = (): void => this.#sink.onSilent()

  readonly #onData = (chunk: Uint8Array): void => {
    this.#frames.push(chunk)
    const check = this.#frames.take()
    if (check === undefined) return
    const names = check === 'broken' ? undefined : checkNames(check)
    if (check === 'broken' || names === undefined) return this.#sink.onGarbage()
    this.#sink.onNamed(names.to, Buffer.concat([encodeCheckFrame(check), this.#frames.rest]))
  }
}

/** The fragments in USERNAME (RFC 8445 §7.2.2): whom a check is for, and whose it claims to be; undefined for none. */
export function checkNames(check: Uint8Array): { readonly to: string; readonly from: string } | undefined {
  const message = readCheckMessage(check)
  if (message?.class !== 'request') return undefined
  const [to, from = ''] = findAttribute(message, 'username')?.value.split(':') ?? []
  return to === undefined ? undefined : { to, from }
}
