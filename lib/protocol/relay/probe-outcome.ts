/**
 * What became of a relay's attempt to reach a port. A relay's word is no proof by itself: what arrived is.
 * - `sent`: UDP, all packets have left and nobody complained
 * - `accepted`: TCP, somebody took the connection
 * - `refused`: a host or router said that nobody listens there (TCP RST, ICMP port unreachable)
 * - `timed-out`: TCP, no answer at all
 * - `unreachable`: a router on the way said that there is no way
 * - `failed`: the relay could not try
 */
export const PROBE_OUTCOMES = ['sent', 'accepted', 'refused', 'timed-out', 'unreachable', 'failed'] as const

/** One of {@link PROBE_OUTCOMES}. */
export type ProbeOutcome = (typeof PROBE_OUTCOMES)[number]
