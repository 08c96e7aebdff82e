import type { Duplex } from 'node:stream'
import { formatEndpoint } from '../../base/endpoint.ts'
import { unreachable } from '../../base/exhaustive.ts'
import { inferred, measured, unknown } from '../../base/fact.ts'
import type { RelayUrl } from '../../base/relay-url.ts'
import type { Runtime } from '../../base/runtime.ts'
import type { ProxyFact } from '../report.ts'
import type { StepLimits } from '../../net/outward/attempt.ts'
import { openTunnel } from '../../net/outward/connect-proxy.ts'
import type { TunnelDead } from '../../net/outward/connect-proxy.ts'
import type { EgressFinding } from './egress-finding.ts'
import { failedFinding, tlsFinding } from './egress-finding.ts'
import { httpGet } from './http.ts'
import { owned } from '../../net/outward/owned-socket.ts'
import type { Proxy, ProxyChoice } from '../../net/outward/proxy-environment.ts'
import { relayInfoRequest } from './relay-info.ts'
import { secure } from '../../net/outward/tls.ts'

/** What a proxy is worth, and whether this relay can be reached through it; no way is reported where none is named. */
export interface ProxyEgress {
  readonly proxy: ProxyFact
  readonly way?: EgressFinding
}

/** Tries the way that the environment names: CONNECT, and then the relay's own protocol inside the tunnel. */
export async function probeProxy(
  runtime: Runtime,
  relay: RelayUrl,
  choice: ProxyChoice,
  limits: StepLimits,
): Promise<ProxyEgress> {
  switch (choice.kind) {
    case 'direct':
      return { proxy: measured('none', 'no proxy variable is set') }
    case 'exempt':
      return {
        proxy: { ...measured('none', `${choice.source} exempts ${relay.host}`), source: choice.source },
      }
    case 'unsupported': {
      const { source, scheme } = choice
      const fact = unknown<never>(`${source} names a ${scheme} proxy, which can't be used`)
      return { proxy: { ...fact, source }, way: fact }
    }
    case 'invalid': {
      const { source } = choice
      const sentence = `${source} is not the URL of a proxy`
      return {
        proxy: { ...measured('dead', sentence), source },
        way: { ...measured(false, sentence), error: sentence },
      }
    }
    case 'proxy':
      return tunnelled(runtime, relay, choice.proxy, limits)
    default:
      return unreachable(choice)
  }
}

async function tunnelled(
  runtime: Runtime,
  relay: RelayUrl,
  proxy: Proxy,
  limits: StepLimits,
): Promise<ProxyEgress> {
  const startMs = runtime.clock.nowMs()
  const tunnel = await openTunnel(runtime, proxy, relay, limits)
  const ms = runtime.clock.nowMs() - startMs
  const { address, source } = proxy
  const via = `through the proxy ${address} of ${source}`
  switch (tunnel.kind) {
    case 'open': {
      using socket = owned(tunnel.socket)
      const way = await insideTunnel(runtime, relay, socket.socket, limits)
      const evidence = [
        `${proxy.kind === 'connect' ? 'CONNECT' : 'SOCKS to'} ${formatEndpoint(relay)} ${via}`,
        ...way.evidence,
      ]
      const fact = measured('works' as const, `it opened a connection to ${formatEndpoint(relay)}`)
      return { proxy: { ...fact, address, source }, way: { ...way, evidence, ms: ms + (way.ms ?? 0) } }
    }
    case 'refused':
      return {
        proxy: { ...measured('refuses', tunnel.message), address, source },
        way: { ...measured(false, `${via}: ${tunnel.message}`), error: tunnel.code, ms },
      }
    case 'dead':
      return {
        proxy: { ...deadFact(tunnel, source), address, source },
        way: failedFinding({ ...tunnel, ms, message: `${via}: ${tunnel.message}` }),
      }
    default:
      return unreachable(tunnel)
  }
}

/** A tunnel leads to the relay when the relay's protocol works inside. */
async function insideTunnel(
  runtime: Runtime,
  relay: RelayUrl,
  socket: Duplex,
  limits: StepLimits,
): Promise<EgressFinding> {
  if (relay.secure) {
    const handshake = await secure(runtime, socket, relay, limits)
    if (handshake.kind === 'done') handshake.value.socket.destroy()
    return tlsFinding(handshake)
  }
  const response = await httpGet(runtime, socket, relayInfoRequest(relay), limits)
  if (response.kind === 'failed') return failedFinding(response)
  return { ...measured(true, `the server answered ${response.value.status}`), ms: response.ms }
}

function deadFact({ code, message }: TunnelDead, source: string): ProxyFact {
  const sentence = `${source} names it, but ${message}`
  return code === 'ETIMEDOUT' ? inferred('dead', sentence) : measured('dead', sentence)
}
