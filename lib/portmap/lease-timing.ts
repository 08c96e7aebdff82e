import { ReachError } from '../base/errors.ts'

/** RFC 6887 §11.2.1: no mapping is renewed more often. */
const MIN_RENEWAL_MS = 4_000
/** Ours: long lifetimes, and UPnP's permanent leases (0), are looked after once an hour: routers lose them silently. */
const MAX_RENEWAL_MS = 3_600_000
/** Ours: a gateway that starts anew is back in seconds; later it is asked once a minute. */
const RETRY_PAUSES_MS = [500, 1_000, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000] as const
/** Ours: a "no", or a port that nothing comes in at, does not change by itself within seconds. */
const HOPELESS_PAUSE_MS = 600_000

/** When a mapping of this lifetime is to be renewed: after half of it (RFC 6886 §3.3, RFC 6887 §11.2.1). */
export function renewalDelayMs(lifetimeS: number): number {
  if (lifetimeS === 0) return MAX_RENEWAL_MS
  return Math.min(Math.max((lifetimeS * 1_000) / 2, MIN_RENEWAL_MS), MAX_RENEWAL_MS)
}

/** How long to wait after the attempt with this number, from 0, has failed. */
export function retryPauseMs(attempt: number, error: ReachError): number {
  if (ReachError.is(error, 'ERR_REACH_MAPPING_UNREACHABLE')) return HOPELESS_PAUSE_MS
  return RETRY_PAUSES_MS[attempt] ?? RETRY_PAUSES_MS.at(-1) ?? HOPELESS_PAUSE_MS
}
