import type { Endpoint } from './endpoint.ts'
import { parseEndpoint } from './endpoint.ts'
import { ReachError } from './errors.ts'

/** Where a relay listens, and how to know that it is the right one. */
export interface RelayUrl extends Endpoint {
  /** TLS from the first byte on (`https`). */
  readonly secure: boolean
  /** SHA-256 of the certificate's public key (its SubjectPublicKeyInfo in DER), 64 lower-case hex digits. */
  readonly pinSha256?: string
  /** As the person wrote it, without the spaces around. */
  readonly text: string
}

/** RFC 9110 §4.2: what a URL without a port means. */
const DEFAULT_PORTS = { https: 443, http: 80 } as const

/** SHA-256 in hex; colons between pairs as `openssl x509 -fingerprint` prints them. */
const PIN_PATTERN = /^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i

/**
 * Reads `https://HOST[:PORT][#sha256=HEX]`, `http://HOST[:PORT]`, or `HOST[:PORT]`, which means https. Default ports
 * are 443 and 80; the pin is the SHA-256 of the certificate's public key, with or without colons.
 * @throws {ReachError} ERR_REACH_ADDRESS with a hint; neither shows what stands before an `@`
 */
export function parseRelayUrl(input: string): RelayUrl {
  const text = input.trim()
  // Before all else, so that no message quotes a password: one with a # in it ends up in the fragment.
  if (text.includes('@'))
    throw invalid(text, 'leave out the user name and password: a relay knows peers by their keys')
  const [whole, fragment] = splitOnce(text, '#')
  const match = /^(?:(?<scheme>[a-z][a-z0-9+.-]*):\/\/)?(?<rest>.*)$/is.exec(whole)
  const scheme = match?.groups?.scheme?.toLowerCase() ?? 'https'
  // Browsers and habit add the slash; it names nothing.
  const rest = (match?.groups?.rest ?? '').replace(/\/$/, '')
  if (scheme !== 'https' && scheme !== 'http') throw invalid(text, schemeHint(scheme))
  checkAuthority(text, rest)
  const endpoint = endpointOf(text, rest, scheme, match?.groups?.scheme !== undefined)
  const secure = scheme === 'https'
  if (fragment === undefined) return { ...endpoint, secure, text }
  return { ...endpoint, secure, pinSha256: pinOf(text, fragment, secure), text }
}

/** Everything that other URLs may have between scheme and fragment, and relay URLs may not. */
function checkAuthority(text: string, rest: string): void {
  if (rest === '') throw invalid(text, 'write https://HOST:PORT')
  if (rest.includes('/')) throw invalid(text, `leave out the path: ${rest.split('/')[0] ?? ''}`)
  if (rest.includes('?')) throw invalid(text, `leave out the query: ${rest.split('?')[0] ?? ''}`)
  if (/\s/.test(rest)) throw invalid(text, 'a host has no spaces in it')
}

function endpointOf(text: string, rest: string, scheme: 'https' | 'http', isUrl: boolean): Endpoint {
  // RFC 3986 §3.2.2: without brackets nobody could tell the address from the port.
  if (isUrl && /^[^[].*:.*:/.test(rest))
    throw invalid(text, `write an IPv6 address in brackets: ${scheme}://[IPv6]:PORT`)
  try {
    return parseEndpoint(rest, DEFAULT_PORTS[scheme])
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_ADDRESS')) throw error
    throw invalid(text, error.hint ?? 'write https://HOST:PORT', error)
  }
}

function pinOf(text: string, fragment: string, secure: boolean): string {
  const [name, value = ''] = splitOnce(fragment, '=')
  if (name !== 'sha256' || !PIN_PATTERN.test(value)) {
    throw invalid(text, 'a pin is #sha256= and 64 hex digits: the SHA-256 of the certificate’s public key')
  }
  if (!secure) throw invalid(text, 'http has no certificate to pin: write https://, or leave out the pin')
  return value.replaceAll(':', '').toLowerCase()
}

function schemeHint(scheme: string): string {
  if (scheme === 'wss') return 'write https://; WebSocket is tried over it, too'
  if (scheme === 'ws') return 'write http://; WebSocket is tried over it, too'
  return 'a relay URL starts with https:// or http://'
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function invalid(text: string, hint: string, cause?: unknown): ReachError {
  const shown = text.replace(/^((?:[a-z][a-z0-9+.-]*:\/\/)?).*@/is, '$1…@')
  return new ReachError('ERR_REACH_ADDRESS', `${JSON.stringify(shown)} is not a relay URL`, {
    hint,
    cause,
    details: { text: shown },
  })
}
