import type { Clock, Timer } from '../base/runtime.ts'
import { CarrierLiveness } from '../protocol/datagram/carrier-liveness.ts'
import { CARRIER_FLOW, decodeProbe, encodeProbe } from '../protocol/datagram/carrier-probe.ts'
import type { PacketOpener, PacketSealer } from '../protocol/datagram/sealed-packet.ts'
import { SEALED_OVERHEAD } from '../protocol/datagram/sealed-packet.ts'
import type { DatagramCarrier } from './datagram-carrier.ts'

/** What seals and opens the packets of a path, from one side. */
export interface PathSeals {
  readonly sealer: PacketSealer
  readonly opener: PacketOpener
}

/** A carrier with seals: finds out whether packets arrive, and brings datagrams of flows across while they do. */
export class SealedCarrier {
  readonly #carrier: DatagramCarrier
  readonly #seals: PathSeals
  readonly #clock: Clock
  readonly #onDatagram: (flow: number, bytes: Uint8Array) => void
  readonly #liveness: CarrierLiveness
  #timer: Timer | undefined
  #timerAtMs = Infinity
  #isClosed = false

  constructor(
    carrier: DatagramCarrier,
    seals: PathSeals,
    clock: Clock,
    onDatagram: (flow: number, bytes: Uint8Array) => void,
  ) {
    this.#carrier = carrier
    this.#seals = seals
    this.#clock = clock
    this.#onDatagram = onDatagram
    this.#liveness = new CarrierLiveness(carrier.maxLength, clock.nowMs())
    carrier.onPacket = (packet) => this.#receive(packet)
    this.#act()
  }

  /** True while packets arrive at the other side. */
  get isAlive(): boolean {
    return this.#liveness.usableLength > 0
  }

  /** Sends a datagram of a flow; false when it is not for this carrier: too long, or nothing arrives. */
  send(flow: number, bytes: Uint8Array): boolean {
    if (this.#isClosed || SEALED_OVERHEAD + bytes.length > this.#liveness.usableLength) return false
    if (!this.#sendSealed(flow, bytes)) return false
    this.#liveness.sent()
    this.#arm()
    return true
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    this.#carrier.onPacket = undefined
    this.#carrier.close()
  }

  #sendSealed(flow: number, bytes: Uint8Array): boolean {
    const packet = this.#seals.sealer.seal(flow, bytes)
    if (packet === undefined) this.close()
    else this.#carrier.send(packet)
    return packet !== undefined
  }

  #receive(packet: Uint8Array): void {
    if (this.#isClosed) return
    const opened = this.#seals.opener.open(packet)
    if (opened === undefined) {
      if (this.#seals.opener.isWornOut) this.close()
    } else if (opened.flow === CARRIER_FLOW) this.#probed(opened.bytes)
    else this.#onDatagram(opened.flow, opened.bytes)
  }

  #probed(bytes: Uint8Array): void {
    const probe = decodeProbe(bytes)
    if (probe?.type === 'ping') this.#sendSealed(CARRIER_FLOW, encodeProbe({ type: 'pong', id: probe.id }))
    if (probe?.type !== 'pong') return
    this.#liveness.answered(probe.id)
    this.#arm()
  }

  #act(): void {
    const ping = this.#liveness.handleTimeout(this.#clock.nowMs())
    if (ping !== undefined) {
      const bytes = encodeProbe({ type: 'ping', id: ping.id }, ping.length - SEALED_OVERHEAD)
      this.#sendSealed(CARRIER_FLOW, bytes)
    }
    this.#arm()
  }

  /** One timer, that is never later than what is due; when it was early it is set anew. */
  #arm(): void {
    const dueMs = this.#liveness.deadlineMs ?? Infinity
    if (this.#isClosed || dueMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = dueMs
    this.#timer = this.#clock.setTimer(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      this.#timerAtMs = Infinity
      this.#act()
    })
  }
}
