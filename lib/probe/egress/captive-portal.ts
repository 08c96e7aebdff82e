import { toHex } from '../../base/hex.ts'
import type { RelayUrl } from '../../base/relay-url.ts'
import type { Runtime } from '../../base/runtime.ts'
import type { CaptivePortalFact } from '../report.ts'
import type { StepLimits } from '../../net/outward/attempt.ts'
import { httpGet } from './http.ts'
import { owned } from '../../net/outward/owned-socket.ts'
import { agreeOnPortal, CHALLENGE_HEADER, readPortalReply } from './portal-reply.ts'
import type { PortalCheck, PortalReading } from './portal-reply.ts'
import { parseUrl } from '../../net/outward/parse-url.ts'
import { lookupHost } from '../../net/outward/resolve-hosts.ts'
import { connectAny } from '../../net/outward/tcp.ts'

/** Where relays answer 204 to whoever asks (docs/wire.md); the name that Android made common. */
export const GENERATE_204_PATH = '/generate_204'

/** Ours: 128 bits that no portal can have stored an answer for. */
const CHALLENGE_BYTES = 16

export interface CaptivePortalOptions {
  readonly relays: readonly RelayUrl[]
  /** Pages that answer 204 to everybody, `http://` only. */
  readonly urls: readonly string[]
  readonly signal?: AbortSignal
  /** For each step of each check. @default 2500 */
  readonly timeoutMs?: number
}

/** Ours: three times a slow mobile network's round trip. */
const DEFAULT_TIMEOUT_MS = 2500

/**
 * Asks relays and public pages over plain HTTP, all at once, for an answer without content; whoever answers with a page
 * or a redirect instead stands in between. Silence and refusals say nothing. Rejects only when the signal fires.
 */
export async function detectCaptivePortal(
  runtime: Runtime,
  options: CaptivePortalOptions,
): Promise<CaptivePortalFact> {
  const { relays, urls, signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const limits = { timeoutMs, ...(signal === undefined ? {} : { signal }) }
  const checks = [
    ...relays.map((relay) => relayCheck(relay, toHex(runtime.random.bytes(CHALLENGE_BYTES)))),
    ...urls.flatMap((text) => urlCheck(text) ?? []),
  ]
  const settled = await Promise.allSettled(checks.map((check) => runCheck(runtime, check, limits)))
  const readings: PortalReading[] = []
  const silent: string[] = []
  for (const result of settled) {
    if (result.status === 'rejected') throw result.reason
    if (typeof result.value === 'string') silent.push(result.value)
    else readings.push(result.value)
  }
  return agreeOnPortal(readings, silent)
}

/** A relay is asked where it speaks plain http; one that speaks only TLS, on the port where portals listen. */
function relayCheck(relay: RelayUrl, challenge: string): PortalCheck {
  const port = relay.secure ? 80 : relay.port
  const host = relay.host.includes(':') ? `[${relay.host}]` : relay.host
  return {
    url: new URL(`http://${host}:${port}${GENERATE_204_PATH}`),
    challenge,
    isPortAssumed: relay.secure,
  }
}

function urlCheck(text: string): PortalCheck | undefined {
  const url = parseUrl(text)
  return url?.protocol === 'http:' ? { url, isPortAssumed: false } : undefined
}

/** A reading, or the sentence that says why there is none. */
async function runCheck(
  runtime: Runtime,
  check: PortalCheck,
  limits: StepLimits,
): Promise<PortalReading | string> {
  const { url, challenge } = check
  const { outcome } = await lookupHost(runtime, url.hostname.replace(/^\[|\]$/g, ''), limits)
  if (outcome.kind !== 'found')
    return `${url.host} was not asked: its name cannot be resolved (${outcome.code})`
  const connection = await connectAny(runtime, outcome.ips, url.port === '' ? 80 : Number(url.port), limits)
  if (connection.kind === 'failed') return `${url.host} was not asked: ${connection.message}`
  using raw = owned(connection.socket)
  const headers = challenge === undefined ? {} : { [CHALLENGE_HEADER]: challenge }
  const get = { host: url.host, path: url.pathname + url.search, headers }
  const response = await httpGet(runtime, raw.socket, get, limits)
  return response.kind === 'done'
    ? readPortalReply(check, response.value)
    : `${url.host} did not answer: ${response.message}`
}
