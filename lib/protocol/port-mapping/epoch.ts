/** A gateway's clock, and ours when it was read. */
interface Reading {
  readonly epochS: number
  readonly atMs: number
}

/** RFC 6887 §8.5: a server's clock may be this much behind, for packets that overtook each other. */
const MAX_BACK_S = 1
/** RFC 6887 §8.5: tolerance for rounding, and one sixteenth for clocks of unlike speed. */
const ROUNDING_S = 2
const DRIFT_DIVISOR = 16
/** RFC 6886 §3.6: a server's clock may be this much slower than ours. */
const NAT_PMP_PACE = 7 / 8
const NAT_PMP_ROUNDING_S = 2

/**
 * Tells from the "seconds since start of epoch" in a gateway's answers whether it has lost its mappings in between. One
 * for each gateway and protocol. The first answer says nothing.
 */
export class EpochCheck {
  readonly #isConsistent: (before: Reading, now: Reading) => boolean
  #last: Reading | undefined

  constructor(protocol: 'pcp' | 'nat-pmp') {
    this.#isConsistent = protocol === 'pcp' ? isPcpConsistent : isNatPmpConsistent
  }

  /** True when the gateway has lost its state since the answer before. `nowMs` is monotonic. */
  hasReset(epochS: number, nowMs: number): boolean {
    const before = this.#last
    const now = { epochS, atMs: nowMs }
    this.#last = now
    return before !== undefined && !this.#isConsistent(before, now)
  }
}

/** RFC 6887 §8.5. */
function isPcpConsistent(before: Reading, now: Reading): boolean {
  if (now.epochS < before.epochS - MAX_BACK_S) return false
  const clientS = (now.atMs - before.atMs) / 1_000
  const serverS = now.epochS - before.epochS
  return (
    clientS + ROUNDING_S >= serverS - serverS / DRIFT_DIVISOR &&
    serverS + ROUNDING_S >= clientS - clientS / DRIFT_DIVISOR
  )
}

/** RFC 6886 §3.6. */
function isNatPmpConsistent(before: Reading, now: Reading): boolean {
  const clientS = (now.atMs - before.atMs) / 1_000
  return now.epochS >= before.epochS + clientS * NAT_PMP_PACE - NAT_PMP_ROUNDING_S
}
