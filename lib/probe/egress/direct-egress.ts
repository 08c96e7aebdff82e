import type { Duplex } from 'node:stream'
import type { RelayUrl } from '../../base/relay-url.ts'
import type { ResolveOutcome, Runtime } from '../../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import type { EgressTransport } from '../report.ts'
import { all, attempt } from '../../net/outward/attempt.ts'
import type { StepLimits } from '../../net/outward/attempt.ts'
import {
  failedFinding,
  needsTcpFinding,
  tcpFinding,
  tlsFinding,
  unresolvedFinding,
  webSocketFinding,
} from './egress-finding.ts'
import type { EgressLedger } from './egress-ledger.ts'
import { httpGet } from './http.ts'
import { owned } from '../../net/outward/owned-socket.ts'
import { hostHeader, parseRelayInfo, relayInfoRequest } from './relay-info.ts'
import { lookupHost } from '../../net/outward/resolve-hosts.ts'
import { stunOverTcp } from './stun-over-tcp.ts'
import { connect, probeTcp } from '../../net/outward/tcp.ts'
import type { FamilyOutcome, TcpConnection, TcpProbe } from '../../net/outward/tcp.ts'
import { secure } from '../../net/outward/tls.ts'
import { openWebSocket } from '../../net/outward/websocket.ts'

/** One probe of one relay: what its steps share. */
export interface RelayProbe {
  readonly runtime: Runtime
  readonly relay: RelayUrl
  readonly ledger: EgressLedger
  /** The signal ends when the budget does, too. */
  readonly limits: StepLimits
}

/** The ways to a relay that need nobody's help, in the order in which they build on each other. */
export function directTransports({ secure: isSecure }: RelayUrl): readonly EgressTransport[] {
  return isSecure ? ['tcp', 'tls', 'websocket'] : ['tcp', 'websocket']
}

/** Tries them all; rejects only when the signal fires. What is known by then is in the ledger. */
export async function probeDirect(probe: RelayProbe, resolution: ResolveOutcome | undefined): Promise<void> {
  const { runtime, relay, ledger, limits } = probe
  const outcome = resolution ?? (await lookupHost(runtime, relay.host, limits)).outcome
  if (outcome.kind !== 'found') {
    for (const transport of directTransports(relay)) {
      ledger.add(transport, unresolvedFinding(relay.host, outcome))
    }
    return
  }
  const tcp = probeTcp(runtime, outcome.ips, relay.port, limits)
  await all([
    probeFamily(probe, 'ipv6', tcp.ipv6),
    probeFamily(probe, 'ipv4', tcp.ipv4),
    onceConnected(probe, tcp),
  ])
}

/** TCP over one family, and our address as the relay sees it over that family. */
async function probeFamily(
  probe: RelayProbe,
  family: AddressFamily,
  outcome: Promise<FamilyOutcome>,
): Promise<void> {
  const { runtime, ledger, limits } = probe
  const connected = await outcome
  const finding = tcpFinding(connected)
  if (finding !== undefined) ledger.addTcp(family, finding)
  if (connected.kind !== 'connected') return
  const mapping = await stunOverTcp(runtime, connected.to, limits)
  if (mapping.kind === 'done') ledger.addMapping(mapping.value)
}

async function onceConnected(probe: RelayProbe, tcp: TcpProbe): Promise<void> {
  const connection = await tcp.first
  if (connection === undefined) return withoutConnection(probe, tcp)
  await all([probeHttp(probe, connection), probeWebSocket(probe, connection.to)])
}

/** What runs over TCP fails with it. */
async function withoutConnection({ relay, ledger }: RelayProbe, { ipv4, ipv6 }: TcpProbe): Promise<void> {
  const [failure] = [await ipv4, await ipv6].flatMap((family) =>
    family.kind === 'failed' ? family.refusals : [],
  )
  if (failure === undefined) return
  for (const transport of directTransports(relay)) {
    if (transport !== 'tcp') ledger.add(transport, needsTcpFinding(failure))
  }
}

/** TLS where the relay speaks it, and its description and clock inside. */
async function probeHttp(probe: RelayProbe, connection: TcpConnection): Promise<void> {
  const { runtime, relay, ledger, limits } = probe
  const { ip } = connection.to
  using raw = owned(connection.socket)
  if (!relay.secure) {
    ledger.info = await readRelayInfo(probe, raw.socket, ip)
    return
  }
  const handshake = await secure(runtime, raw.socket, relay, limits)
  ledger.add('tls', { ...tlsFinding(handshake), ip })
  if (handshake.kind === 'failed') return
  using secured = owned(handshake.value.socket)
  const info = await readRelayInfo(probe, secured.socket, ip)
  // Whoever intercepts may not say where our packets go next.
  if (handshake.value.trust.kind !== 'intercepted') ledger.info = info
}

async function readRelayInfo({ runtime, relay, ledger, limits }: RelayProbe, socket: Duplex, ip: string) {
  const response = await httpGet(runtime, socket, relayInfoRequest(relay), limits)
  if (response.kind === 'failed') return undefined
  const { headers, headAtWallMs, headMs } = response.value
  if (headers.date !== undefined) {
    ledger.date = { source: relay.text, date: headers.date, receivedWallMs: headAtWallMs, rttMs: headMs }
  }
  return parseRelayInfo(response.value, ip)
}

/** WebSocket on a connection of its own, to the address that is known to work. */
async function probeWebSocket(
  { runtime, relay, ledger, limits }: RelayProbe,
  to: TransportAddress,
): Promise<void> {
  const { ip } = to
  const dialled = await attempt(runtime.clock, limits, (signal) => connect(runtime, to, signal))
  if (dialled.kind === 'failed') return ledger.add('websocket', { ...failedFinding(dialled), ip })
  using raw = owned(dialled.value)
  const tls = relay.secure ? await secure(runtime, raw.socket, relay, limits) : undefined
  if (tls?.kind === 'failed') return ledger.add('websocket', { ...failedFinding(tls), ip })
  using secured = tls === undefined ? undefined : owned(tls.value.socket)
  const upgraded = await openWebSocket(runtime, secured?.socket ?? raw.socket, hostHeader(relay), limits)
  ledger.add('websocket', { ...webSocketFinding(upgraded, tls?.value), ip })
}
