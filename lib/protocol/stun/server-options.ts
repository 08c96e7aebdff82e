import type { RateLimitOptions } from './rate-limit.ts'
import type { StunServerAddresses } from './server-endpoints.ts'

export interface StunServerOptions {
  /** One grid for each family served over UDP. */
  readonly addresses: readonly StunServerAddresses[]
  /** Text of SOFTWARE in replies to requests that leave room for it. Default: none. */
  readonly software?: string
  /** Requests from one source. Default {@link stunServerDefaults.rateLimit}. */
  readonly rateLimit?: RateLimitOptions
  /** Replies larger than their request to one source. Default {@link stunServerDefaults.ration}. */
  readonly ration?: RateLimitOptions
}

/** A source is an IPv4 address or an IPv6 /64. */
export const stunServerDefaults = Object.freeze({
  /** Ours: a carrier's NAT puts thousands of customers behind one address, each asking now and then. */
  rateLimit: Object.freeze({ ratePerS: 1000, burst: 2000, maxSources: 65_536 }),
  /**
   * Ours: enough for a household's clients with bare 20-byte requests. As a reflector the server then adds at most
   * 20 · 72 bytes a second to what an attacker sends himself (IPv6, where the largest such reply has 92 bytes).
   */
  ration: Object.freeze({ ratePerS: 20, burst: 60, maxSources: 65_536 }),
})

/** What a server did, for metrics. */
export interface StunServerCounters {
  /** Binding requests that could be read and were within the rate limit. */
  readonly requests: number
  /** Success replies. */
  readonly replies: number
  /** Error replies. */
  readonly errors: number
  /** Not a Binding request, malformed, or not to be refused without harm (RFC 3489 and CHANGE-REQUEST): no answer. */
  readonly ignored: number
  /** Over the source's rate: no answer. */
  readonly rateLimited: number
  /** Too small for the reply, and the source's ration was used up: no answer, or one that says less. */
  readonly rationLimited: number
}
