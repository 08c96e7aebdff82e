import { INITIAL_WINDOW, MAX_WINDOW } from './frame.ts'
import type { KeepaliveOptions } from './keepalive.ts'
import type { ReceiveLimits } from './receive-budget.ts'
import type { TokenRate } from './token-bucket.ts'

/** What may be tuned of a mux session. `Infinity` means no limit. */
export interface MuxOptions {
  /** Streams that each side may have open at once. */
  readonly maxStreams: number
  /**
   * Streams that were opened and not accepted or refused yet, for each side: the peer's are refused beyond it, ours wait.
   * Both sides should have the same.
   */
  readonly maxUnaccepted: number
  /** How far a stream's receive window may grow, in bytes, from 256 KiB to 2^32 - 1. */
  readonly maxWindow: number
  readonly receive: ReceiveLimits
  readonly keepalive: KeepaliveOptions
  /** Pings of the peer beyond this are a flood. */
  readonly pings: TokenRate
  /** Resets by the peer, and frames that say nothing, beyond this are a flood. */
  readonly noise: TokenRate
}

const MIB = 1024 * 1024

/** Defaults of {@link MuxOptions}. */
export const muxDefaults: MuxOptions = Object.freeze({
  // Ours: a busy web server's visitors; a stream costs about a kilobyte and what it holds.
  maxStreams: 4096,
  // Ours: 10,000 opens/s at a round trip of 100 ms. Others have 256 (hashicorp/yamux, AcceptBacklog) or no limit.
  maxUnaccepted: 1024,
  // Design §5: fills a path of 100 ms at 1 Gbit/s.
  maxWindow: 16 * MIB,
  // Ours: four streams at full window; and twice that for readers which stop, as initial windows come on top.
  receive: Object.freeze({ maxWindowGrowth: 64 * MIB, maxHeld: 128 * MIB }),
  // Design §6: NATs are seen to forget bindings after 30 s. A round trip is far below 10 s even on a congested path.
  keepalive: Object.freeze({ intervalMs: 15_000, timeoutMs: 10_000 }),
  // Ours: some implementations ping without pause to measure; each answer costs us as much as the question costs them.
  pings: Object.freeze({ ratePerS: 1000, burst: 1000 }),
  // Ours: far above what a web server's impatient visitors do; opening and resetting costs the application's work.
  noise: Object.freeze({ ratePerS: 2000, burst: 20_000 }),
})

/** What a mux session is made of. */
export interface MuxSetup {
  /** Which side we are: yamux's client (`initiator`, odd stream ids) or server. The two sides must differ. */
  readonly role: 'initiator' | 'responder'
  /** Whether each stream begins with OPEN (see open-header.ts). Both sides must agree; false is plain yamux. */
  readonly hasOpenHeaders: boolean
  readonly options?: Partial<MuxOptions>
}

/** The options with defaults. @throws {RangeError} for windows that the protocol does not have, and for no streams at all */
export function muxOptions(setup: MuxSetup): MuxOptions {
  const options = { ...muxDefaults, ...setup.options }
  if (!(options.maxWindow >= INITIAL_WINDOW && options.maxWindow <= MAX_WINDOW)) {
    throw new RangeError(
      `a window of ${options.maxWindow} bytes is not from ${INITIAL_WINDOW} to ${MAX_WINDOW}`,
    )
  }
  for (const name of ['maxStreams', 'maxUnaccepted'] as const) {
    if (!(options[name] >= 1)) throw new RangeError(`${name} is ${options[name]}, and not at least 1`)
  }
  return options
}
