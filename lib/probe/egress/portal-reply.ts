import { measured, inferred, unknown } from '../../base/fact.ts'
import type { CaptivePortalFact } from '../report.ts'
import type { HttpResponse } from './http.ts'
import { parseUrl } from '../../net/outward/parse-url.ts'
import { printable } from '../../net/outward/printable.ts'

/** One question to which the genuine answer is known: 204, no content. */
export interface PortalCheck {
  /** Plain http, since a portal can't answer in the name of others over TLS. */
  readonly url: URL
  /** Relays of ours echo it, so that a portal which answers 204 to everything is no proof. */
  readonly challenge?: string
  /** Nobody told us that something of ours answers on this port. */
  readonly isPortAssumed: boolean
}

/** Who answered a check. `unclear`: neither the one nor the other can be told. */
export type PortalReading = { readonly check: PortalCheck; readonly seen: string } & (
  | { readonly kind: 'genuine' }
  | { readonly kind: 'portal'; readonly location?: string }
  | { readonly kind: 'unclear' }
)

/** Relays of ours send the challenge back under this name (docs/wire.md). */
export const CHALLENGE_HEADER = 'x-p2p-reach-challenge'
export const RESPONSE_HEADER = 'x-p2p-reach-response'

/** RFC 6585 §6: made for captive portals. */
const NETWORK_AUTHENTICATION_REQUIRED = 511

/** Tells a portal's answer from a genuine one. */
export function readPortalReply(check: PortalCheck, response: HttpResponse): PortalReading {
  const { status, headers, body } = response
  const seen = `answered ${status}`
  if (status === 204) {
    const isEchoed = check.challenge === undefined || headers[RESPONSE_HEADER] === check.challenge
    return isEchoed
      ? { kind: 'genuine', check, seen }
      : { kind: 'unclear', check, seen: `${seen}, but not as a relay of p2p-reach does` }
  }
  if (status === NETWORK_AUTHENTICATION_REQUIRED) return { kind: 'portal', check, seen }
  if (status >= 300 && status <= 399) return readRedirect(check, seen, headers.location)
  if (status === 200 && body.length > 0) return { kind: 'portal', check, seen: `${seen} with a page` }
  return { kind: 'unclear', check, seen }
}

/** A server that sends http on to its own https is common; a portal that does so can't be told from it. */
function readRedirect(check: PortalCheck, seen: string, location: string | undefined): PortalReading {
  const to = location === undefined ? undefined : parseUrl(location, check.url)
  if (to === undefined || (to.protocol !== 'http:' && to.protocol !== 'https:'))
    return { kind: 'unclear', check, seen }
  const text = printable(to.href)
  if (to.protocol === 'https:' && to.hostname === check.url.hostname) {
    return { kind: 'unclear', check, seen: `${seen} and its own ${text}` }
  }
  return { kind: 'portal', check, seen: `${seen} and ${text}`, location: text }
}

/** What most of the checks that were answered say; in a draw nothing is known. */
export function agreeOnPortal(
  readings: readonly PortalReading[],
  silent: readonly string[],
): CaptivePortalFact {
  const portals = readings.filter((reading) => reading.kind === 'portal')
  const genuine = readings.filter((reading) => reading.kind === 'genuine')
  const telling = portals.length + genuine.length
  const evidence = [
    ...readings.map((reading) => `${reading.check.url.host} ${reading.seen}`),
    ...silent,
    telling === 0
      ? 'no check was answered in a way that tells'
      : `${portals.length} of ${telling} answers are those of a captive portal`,
  ]
  if (portals.length === genuine.length) return unknown(...evidence)
  if (genuine.length > portals.length) {
    return portals.length === 0 ? measured(false, ...evidence) : inferred(false, ...evidence)
  }
  const isSure = genuine.length === 0 && portals.some((reading) => !reading.check.isPortAssumed)
  const fact = isSure ? measured(true, ...evidence) : inferred(true, ...evidence)
  const location = portals.find((reading) => reading.location !== undefined)?.location
  return location === undefined ? fact : { ...fact, location }
}
