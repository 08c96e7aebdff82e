import type { Duplex } from 'node:stream'
import type { Clock } from '../../lib/base/runtime.ts'
import type { LegStatus } from '../../lib/protocol/relay/data-leg.ts'
import { LEG_STATUS } from '../../lib/protocol/relay/data-leg.ts'
import type { WaitingLeg } from './rendezvous.ts'

/** Ours: how long a refusal may take to arrive before the connection is cut. */
const FAREWELL_MS = 2000

/**
 * A data leg from the end of its head to `go`, or to its refusal. In between, its side has nothing to say: bytes are a
 * violation, and an end says that it has given up. Either way the connection is cut, and `onGone` called.
 */
export class DataLeg implements WaitingLeg {
  readonly source: string
  onGone: (() => void) | undefined
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #onProven: () => void
  #isOver = false

  /**
   * @param socket of which nothing but the head was read
   * @param onProven called once a member has vouched for its ticket
   */
  constructor(socket: Duplex, source: string, clock: Clock, onProven: () => void) {
    this.source = source
    this.#socket = socket
    this.#clock = clock
    this.#onProven = onProven
  }

  /** Watches it from now on: whoever waits for it has set `onGone`. */
  watch(): void {
    if (this.#isOver) return
    this.#socket.on('readable', this.#onReadable).once('end', this.#onEnd).once('close', this.#onEnd)
    if (!this.isWaiting) this.#onEnd() // more than the head came with it
  }

  recognised(): void {
    this.#onProven()
  }

  refuse(status: Exclude<LegStatus, 'go'>): void {
    if (!this.#stop()) return
    const socket = this.#socket
    const timer = this.#clock.setTimer(FAREWELL_MS, () => socket.destroy())
    socket.once('close', () => timer.cancel())
    socket.resume() // unread bytes would turn the goodbye into a reset, which takes the status with it
    socket.end(Uint8Array.of(LEG_STATUS[status]))
  }

  /** True while its side waits, and has said nothing. */
  get isWaiting(): boolean {
    return !this.#isOver && !this.#socket.destroyed && this.#socket.readableLength === 0
  }

  /** Says `go`, and gives the connection away. Only while it waits. */
  go(): Duplex {
    this.#stop()
    this.#socket.write(Uint8Array.of(LEG_STATUS.go))
    return this.#socket
  }

  readonly #onReadable = (): void => {
    // Null at the end, which is told only once somebody has asked for more.
    if (this.#socket.read() !== null) this.#onEnd()
  }

  readonly #onEnd = (): void => {
    if (!this.#stop()) return
    this.#socket.destroy()
    this.onGone?.()
  }

  /** False when it was over before. */
  #stop(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#socket.off('readable', this.#onReadable).off('end', this.#onEnd).off('close', this.#onEnd)
    return true
  }
}
