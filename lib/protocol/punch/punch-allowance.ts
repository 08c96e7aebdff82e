/** Ours: IPs of one peer, announced or heard, in all rounds together; as many as it may announce in one. */
export const MAX_PEER_IPS = 8
/** Ours: what a search sends, and with that the most that anybody gets from one punch. */
export const MAX_PACKETS_PER_SECOND = 200
/** Ours: answers come in bursts where many of our sockets are heard at once. */
const BURST = 50
/** Ours: kept for answers and nominations, which a search must not starve. */
const RESERVE = 20

/**
 * What one punch may send to its peer, who names addresses as it likes and can send from forged ones: to few IPs, and
 * so many packets a second, whatever comes in.
 */
export class PunchAllowance {
  readonly #ips = new Set<string>()
  #packets = BURST
  #countedMs = -Infinity

  /** Whether packets may go to this IP; once they may, they always may. */
  admits(ip: string): boolean {
    if (this.#ips.has(ip)) return true
    if (this.#ips.size >= MAX_PEER_IPS) return false
    this.#ips.add(ip)
    return true
  }

  /** Takes leave for one packet. One of a search leaves some for answers. */
  take(purpose: 'search' | 'answer', nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#packets < (purpose === 'search' ? RESERVE + 1 : 1)) return false
    this.#packets--
    return true
  }

  /** When a search that was refused may ask again. */
  searchAgainMs(nowMs: number): number {
    // A millisecond at least: a fraction of a packet must not ask again at once.
    return nowMs + Math.max(1, ((RESERVE + 1 - this.#packets) * 1000) / MAX_PACKETS_PER_SECOND)
  }

  #refill(nowMs: number): void {
    const gained = ((nowMs - this.#countedMs) * MAX_PACKETS_PER_SECOND) / 1000
    this.#packets = Math.min(BURST, this.#packets + gained)
    this.#countedMs = nowMs
  }
}
