import { ReachError } from '../../base/errors.ts'
import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import type { UdpPacket } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'

/** What is asked of one gateway, and how its answer is known. */
export interface GatewayExchangeOptions<Answer> {
  readonly request: Uint8Array
  /** The gateway's server; answers count from there alone. */
  readonly to: TransportAddress
  /** When to send, in milliseconds from the start; the first is 0. */
  readonly sendTimesMs: readonly number[]
  /** When to give up, in milliseconds from the start. */
  readonly timeoutMs: number
  /**
   * Reads a packet from the gateway; undefined for the answer to another question. What it throws with ERR_REACH_DECODE
   * is ignored: anybody on the LAN can send garbage with the gateway's address.
   */
  readonly read: (bytes: Uint8Array) => Answer | undefined
}

/** What an exchange wants done; after `answered` or `timed-out` nothing comes any more. */
export type GatewayExchangeEffect<Answer> =
  | { readonly kind: 'send'; readonly bytes: Uint8Array; readonly to: TransportAddress }
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'timed-out' }

/** RFC 6886 §3.1 begins with 250 ms and doubles for 64 s; ours ends early: on a LAN, answers take milliseconds. */
export const ASKING = { sendTimesMs: [0, 250, 750], timeoutMs: 1_500 } as const
/** Ours: to find out whether anybody is there at all, while a person waits. */
export const LOOKING = { sendTimesMs: [0, 100, 250, 500, 900], timeoutMs: 1_400 } as const

type State = { readonly kind: 'asking'; readonly sent: number } | { readonly kind: 'done' }

/**
 * One question to one gateway with retransmission (RFC 6886 §3.1, RFC 6887 §8.1.1), decided within `timeoutMs`. An answer
 * counts when it comes from the very address and port that was asked (RFC 6886 §3.1, RFC 6887 §8.3).
 */
export class GatewayExchange<Answer> implements Machine<UdpPacket, GatewayExchangeEffect<Answer>> {
  readonly #options: GatewayExchangeOptions<Answer>
  readonly #startMs: number
  readonly #effects: GatewayExchangeEffect<Answer>[] = []
  #state: State = { kind: 'asking', sent: 0 }

  constructor(options: GatewayExchangeOptions<Answer>, nowMs: number) {
    this.#options = options
    this.#startMs = nowMs
    this.handleTimeout(nowMs)
  }

  get deadlineMs(): number | undefined {
    switch (this.#state.kind) {
      case 'asking': {
        const { sendTimesMs, timeoutMs } = this.#options
        return this.#startMs + Math.min(sendTimesMs[this.#state.sent] ?? timeoutMs, timeoutMs)
      }
      case 'done':
        return undefined
      default:
        return unreachable(this.#state)
    }
  }

  handle({ bytes, from }: UdpPacket, nowMs: number): void {
    if (this.#state.kind === 'done') return
    const { to } = this.#options
    if (from.ip !== to.ip || from.port !== to.port) return
    const answer = this.#read(bytes)
    if (answer === undefined) return this.handleTimeout(nowMs)
    this.#state = { kind: 'done' }
    this.#effects.push({ kind: 'answered', answer })
  }

  handleTimeout(nowMs: number): void {
    while (this.#state.kind === 'asking' && nowMs >= (this.deadlineMs ?? Infinity)) {
      const { request, to, sendTimesMs } = this.#options
      if (nowMs - this.#startMs >= this.#options.timeoutMs || this.#state.sent >= sendTimesMs.length) {
        this.#state = { kind: 'done' }
        this.#effects.push({ kind: 'timed-out' })
      } else {
        this.#state = { kind: 'asking', sent: this.#state.sent + 1 }
        this.#effects.push({ kind: 'send', bytes: request, to })
      }
    }
  }

  poll(): GatewayExchangeEffect<Answer> | undefined {
    return this.#effects.shift()
  }

  #read(bytes: Uint8Array): Answer | undefined {
    try {
      return this.#options.read(bytes)
    } catch (error) {
      if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      return undefined // garbage, or an answer to somebody else
    }
  }
}
