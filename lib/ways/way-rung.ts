import type { Duplex } from 'node:stream'
import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import type { OuterTls, RelayStream } from '../base/relay-dialer.ts'
import type { Runtime } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { openTunnel } from '../net/outward/connect-proxy.ts'
import type { Proxy } from '../net/outward/proxy-environment.ts'
import { connectAny } from '../net/outward/tcp.ts'
import { secure } from '../net/outward/tls.ts'
import { protocolError } from '../net/protocol-error.ts'
import { openWebSocketStream } from '../net/websocket-stream.ts'
import { LEG_ALPN } from '../protocol/relay/data-leg.ts'

/** What a stream looks like from outside: bytes of our own, TLS, or a WebSocket in TLS. */
export type Carrier = 'plain' | 'tls' | 'websocket'

/** One way to a relay: through which proxy, if any, and in which guise. */
export interface Rung {
  /** As in {@link RelayStream}. */
  readonly way: string
  readonly carrier: Carrier
  readonly proxy: Proxy | undefined
}

/** Where a rung leads. */
export interface RungTarget {
  readonly runtime: Runtime
  readonly relay: Endpoint
  /** Addresses of the relay for ways without a proxy. @throws {ReachError} when there are none */
  readonly addresses: (signal: AbortSignal) => Promise<readonly string[]>
  readonly signal: AbortSignal
  /** The connection stands; what is put on top of it has yet to. */
  readonly onConnected?: (afterMs: number) => void
}

/** Ours: for each step; whoever climbs gives up before. */
const STEP_TIMEOUT_MS = 10_000

/** The ways to a relay, best first: what costs less and hides less comes before. */
export function rungsOf(proxies: readonly Proxy[]): readonly Rung[] {
  return [undefined, ...proxies].flatMap((proxy) => [
    { way: wayName('plain', proxy), carrier: 'plain' as const, proxy },
    { way: wayName('websocket', proxy), carrier: 'websocket' as const, proxy },
  ])
}

/** `direct`, `tls`, `websocket`, `connect-proxy`, `socks5+websocket`, … */
export function wayName(carrier: Carrier, proxy: Proxy | undefined): string {
  const guise = carrier === 'plain' ? [] : [carrier]
  if (proxy === undefined) return carrier === 'plain' ? 'direct' : carrier
  return [proxy.kind === 'connect' ? 'connect-proxy' : 'socks5', ...guise].join('+')
}

/**
 * Opens a stream over one rung.
 * @throws {ReachError} what the network did instead, with a code in `details.code`
 * @throws the signal's reason
 */
export async function openRung(rung: Rung, target: RungTarget): Promise<RelayStream> {
  const startMs = target.runtime.clock.nowMs()
  const hop = await connected(rung.proxy, target)
  hop.stream.on('error', () => undefined) // 'close' follows
  target.onConnected?.(target.runtime.clock.nowMs() - startMs)
  try {
    const { stream, outerTls } = await dressed(rung.carrier, hop.stream, target)
    stream.on('error', () => undefined)
    const ends = { local: hop.local, remote: hop.remote, keepaliveMs: undefined }
    return { stream, way: rung.way, ...ends, ...(outerTls === undefined ? {} : { outerTls }) }
  } catch (error) {
    hop.stream.destroy()
    throw error
  }
}

interface Hop {
  readonly stream: Duplex
  readonly local: TransportAddress | undefined
  readonly remote: TransportAddress | undefined
}

async function connected(proxy: Proxy | undefined, target: RungTarget): Promise<Hop> {
  const { runtime, relay, addresses, signal } = target
  const limits = { timeoutMs: STEP_TIMEOUT_MS, signal }
  if (proxy === undefined) {
    const connection = await connectAny(runtime, await addresses(signal), relay.port, limits)
    if (connection.kind === 'failed') throw protocolError(connection.code, connection.message)
    const { socket } = connection
    return { stream: socket, local: socket.local, remote: socket.remote }
  }
  const tunnel = await openTunnel(runtime, proxy, relay, limits)
  if (tunnel.kind !== 'open')
    throw protocolError(tunnel.code, `the proxy ${proxy.address}: ${tunnel.message}`)
  return { stream: tunnel.socket, local: undefined, remote: undefined }
}

interface Dressed {
  readonly stream: Duplex
  readonly outerTls?: OuterTls
}

async function dressed(carrier: Carrier, stream: Duplex, target: RungTarget): Promise<Dressed> {
  if (carrier === 'plain') return { stream }
  const { runtime, relay, signal } = target
  const alpn = carrier === 'tls' ? LEG_ALPN : 'http/1.1'
  const limits = { timeoutMs: STEP_TIMEOUT_MS, signal }
  const handshake = await secure(runtime, stream, { host: relay.host, alpn }, limits)
  if (handshake.kind === 'failed') throw protocolError(handshake.code, handshake.message)
  const { socket, certificate } = handshake.value
  const outerTls = { issuer: certificate.issuer, spkiSha256: certificate.spkiSha256 }
  // Whoever showed that certificate: nothing rests on it, for what goes inside authenticates itself.
  if (carrier === 'tls') return { stream: socket, outerTls }
  const host = relay.port === 443 ? relay.host : formatEndpoint(relay)
  return { stream: await openWebSocketStream(socket, { host, signal }), outerTls }
}
