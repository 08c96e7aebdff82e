import type { Duplex } from 'node:stream'
import type { Endpoint } from '../../base/endpoint.ts'
import { formatEndpoint } from '../../base/endpoint.ts'
import type { Runtime } from '../../base/runtime.ts'
import { attempt } from './attempt.ts'
import type { StepLimits } from './attempt.ts'
import { exchange } from '../http-exchange.ts'
import type { HttpAnswer } from '../http-exchange.ts'
import { owned } from './owned-socket.ts'
import type { OwnedSocket } from './owned-socket.ts'
import type { Proxy } from './proxy-environment.ts'
import { lookupHost } from './resolve-hosts.ts'
import { connectAny } from './tcp.ts'
import { secure } from './tls.ts'
import { socksReplyMeaning } from '../../protocol/socks/socks5.ts'
import { shakeSocks } from './socks-proxy.ts'
import { answeredByOf } from './websocket.ts'

/**
 * How a proxy answered a CONNECT. `open`: `socket` now leads to the target; whoever is handed it destroys it.
 * `refused`: it is an HTTP proxy, and said no. `dead`: nothing there, or nothing that is a proxy; `code` as in Failure.
 */
export type TunnelOutcome = { readonly kind: 'open'; readonly socket: Duplex } | TunnelRefused | TunnelDead

export interface TunnelRefused {
  readonly kind: 'refused'
  /** `HTTP 407`, or SOCKS's reply as in {@link SocksRefusal}. */
  readonly code: string
  readonly message: string
}

export interface TunnelDead {
  readonly kind: 'dead'
  readonly code: string
  readonly message: string
}

/**
 * Asks a proxy for a connection to a target, with the credentials of its URL: CONNECT of HTTP (RFC 9110 §9.3.6) or SOCKS 5.
 * The proxy resolves the target's name. Rejects only when `limits.signal` fires.
 * @param limits.timeoutMs for each step: name, TCP, TLS to the proxy, the request
 */
export async function openTunnel(
  runtime: Runtime,
  proxy: Proxy,
  target: Endpoint,
  limits: StepLimits,
): Promise<TunnelOutcome> {
  const { outcome } = await lookupHost(runtime, proxy.endpoint.host, limits)
  if (outcome.kind !== 'found') return dead(outcome.code, `its name cannot be resolved (${outcome.code})`)
  const connection = await connectAny(runtime, outcome.ips, proxy.endpoint.port, limits)
  if (connection.kind === 'failed') return dead(connection.code, connection.message)
  using raw = owned<Duplex>(connection.socket)
  const hop = proxy.secure ? await secureHop(runtime, raw, proxy, limits) : raw
  if ('kind' in hop) return hop
  using socket = hop
  const ask = proxy.kind === 'connect' ? askHttp : askSocks
  const answered = await attempt(runtime.clock, limits, (signal) => ask(socket.socket, proxy, target, signal))
  if (answered.kind === 'failed') return dead(answered.code, answered.message)
  const answer = answered.value
  if (answer.kind === 'refused') return answer
  raw.release()
  const tunnel = socket.release()
  // A target that speaks first may have been read together with the proxy's answer.
  if (answer.firstBytes.length > 0) tunnel.unshift(answer.firstBytes)
  return { kind: 'open', socket: tunnel }
}

/** A proxy that agreed, and what it has handed on already. */
interface Agreed {
  readonly kind: 'agreed'
  readonly firstBytes: Uint8Array
}

async function askHttp(
  socket: Duplex,
  proxy: Proxy,
  target: Endpoint,
  signal: AbortSignal,
): Promise<Agreed | TunnelRefused> {
  const answer = await exchange(socket, connectRequest(proxy, target), signal)
  if (answer.kind === 'switched' && answer.status >= 200 && answer.status <= 299)
    return { kind: 'agreed', firstBytes: answer.firstBytes }
  return { kind: 'refused', code: `HTTP ${answer.status}`, message: refusalOf(answer, proxy, target) }
}

async function askSocks(
  socket: Duplex,
  { credentials }: Proxy,
  target: Endpoint,
  signal: AbortSignal,
): Promise<Agreed | TunnelRefused> {
  const answer = await shakeSocks(socket, target, credentials?.socksLogin(), signal)
  if (answer.kind === 'done') return { kind: 'agreed', firstBytes: answer.rest }
  const { code } = answer
  return {
    kind: 'refused',
    code: `SOCKS ${code}`,
    message: socksReplyMeaning(code, credentials !== undefined),
  }
}

function connectRequest({ credentials }: Proxy, target: Endpoint) {
  const authority = formatEndpoint(target)
  const headers = {
    Host: authority,
    'User-Agent': 'p2p-reach',
    ...(credentials === undefined ? {} : { 'Proxy-Authorization': credentials.basicAuthorization() }),
  }
  return { method: 'CONNECT', target: authority, headers } as const
}

/** TLS to the proxy itself. Nobody but the proxy may read its password, so its certificate must be trusted. */
async function secureHop(
  runtime: Runtime,
  { socket }: OwnedSocket<Duplex>,
  { endpoint }: Proxy,
  limits: StepLimits,
): Promise<OwnedSocket<Duplex> | TunnelDead> {
  const secured = await secure(runtime, socket, { host: endpoint.host }, limits)
  if (secured.kind === 'failed') return dead(secured.code, `TLS to it failed: ${secured.message}`)
  const { trust, certificate } = secured.value
  if (trust.kind === 'pin' || trust.kind === 'authority') return owned<Duplex>(secured.value.socket)
  secured.value.socket.destroy()
  return dead(
    trust.reason,
    `its certificate is not trusted: signed by ${certificate.issuer} (${trust.reason})`,
  )
}

function refusalOf({ status, headers }: HttpAnswer, proxy: Proxy, target: Endpoint): string {
  return `${meaningOf(status, proxy, target)}${answeredByOf(headers)}`
}

function meaningOf(status: number, { credentials }: Proxy, target: Endpoint): string {
  const where = formatEndpoint(target)
  switch (status) {
    case 401: // tinyproxy says so to wrong credentials
    case 407:
      return credentials === undefined
        ? `it wants a user name and a password (${status})`
        : `it does not accept this user name and password (${status})`
    case 403:
      return `it does not allow connections to ${where} (403)`
    case 502:
    case 503:
    case 504:
      return `it cannot reach ${where} (${status})`
    default:
      return `it answered ${status} to CONNECT ${where}`
  }
}

function dead(code: string, message: string): TunnelDead {
  return { kind: 'dead', code, message }
}
