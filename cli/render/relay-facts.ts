import type { DiagnoseReport, EgressFact, RelayReport } from '../../lib/index.ts'
import type { FactGroup, FactLine, Wording } from './fact-line.ts'
import { factLine, plainLine } from './fact-line.ts'
import { transportName } from './nat-words.ts'
import { formatDuration } from './units.ts'

/** One relay or server with what was tried to reach it. */
export interface ServerReport {
  readonly name: string
  readonly latencyMs: number | undefined
  readonly isRelay: boolean
  readonly egress: readonly EgressFact[]
  /** Of a relay: the way that a peer here would take to it. */
  readonly peerWay?: NonNullable<RelayReport['peerWay']>
}

/** The relays in the report's order, then the servers that are no relays. */
export function servers({ relays, egress }: DiagnoseReport): readonly ServerReport[] {
  const known = relays.map((relay) => toServer(relay, egress))
  const others = [...new Set(egress.map((fact) => fact.relay))].filter(
    (name) => !relays.some((relay) => relay.url === name),
  )
  const named = others.map((name) => ({
    name,
    latencyMs: undefined,
    isRelay: false,
    egress: egress.filter((fact) => fact.relay === name),
  }))
  return [...known, ...named]
}

function toServer(relay: RelayReport, egress: readonly EgressFact[]): ServerReport {
  const own = egress.filter((fact) => fact.relay === relay.url)
  const { url: name, latencyMs, peerWay } = relay
  return { name, latencyMs, isRelay: true, egress: own, ...(peerWay === undefined ? {} : { peerWay }) }
}

/** Which transports work to which relay or server. */
export function relayFacts(report: DiagnoseReport): FactGroup {
  const lines = servers(report).flatMap((server) => [
    serverLine(server),
    ...server.egress.map(egressLine),
    ...peerWayLines(server),
  ])
  const none = plainLine('Relays', 'none', 'no relay or server was tried')
  return { title: 'Relays and servers', lines: lines.length > 0 ? lines : [none] }
}

function serverLine(server: ServerReport): FactLine {
  const latency = latencyWords(server)
  return plainLine(
    server.isRelay ? 'Relay' : 'Server',
    server.name + (latency === undefined ? '' : `, ${latency}`),
  )
}

/** Which way a peer would take: the reasons against better ones are the evidence. */
function peerWayLines({ peerWay }: ServerReport): readonly FactLine[] {
  if (peerWay === undefined || peerWay.value === 'unknown') return []
  const line = factLine('Peers use', peerWay, (way) =>
    way === 'none' ? { value: 'no way', tone: 'bad' } : { value: PEER_WAYS[way], tone: 'good' },
  )
  return [{ ...line, isDetail: true }]
}

const PEER_WAYS = {
  direct: 'TCP, directly',
  websocket: 'WebSocket in TLS',
  'connect-proxy': 'the HTTP proxy',
  socks5: 'the SOCKS proxy',
  ssh: 'SSH, where no relay can be reached',
} as const

/** The round trip to a relay, or that there is none. */
export function latencyWords({ latencyMs, isRelay, egress }: ServerReport): string | undefined {
  if (latencyMs !== undefined) return `${formatDuration(latencyMs)} away`
  return isRelay && egress.every((fact) => fact.value !== true) ? 'not reached' : undefined
}

/** One transport to one relay as a line. */
export function egressLine(fact: EgressFact): FactLine {
  const line = factLine(egressName(fact), fact, (works) => (works ? workingWords(fact) : blockedWords(fact)))
  const { ip, tlsIssuer } = fact
  const seen = [
    ...(ip === undefined ? [] : [`tried at ${ip}`]),
    ...(tlsIssuer === undefined ? [] : [`the certificate is signed by ${tlsIssuer}`]),
  ]
  return { ...line, evidence: [...line.evidence, ...seen], isDetail: true }
}

/** `TLS 443` and the like. */
export function egressName({ transport, port }: EgressFact): string {
  return `${transportName(transport)} ${port}`
}

function workingWords(fact: EgressFact): Wording {
  return fact.tlsTrusted === false
    ? { value: 'works, not trusted', meaning: distrustWords(fact), tone: 'fair' }
    : { value: 'works', tone: 'good' }
}

function blockedWords(fact: EgressFact): Wording {
  const distrust = fact.tlsTrusted === false ? distrustWords(fact) : undefined
  const meaning = fact.error === undefined ? distrust : errorWords(fact.error)
  return { value: 'does not work', tone: 'bad', ...(meaning === undefined ? {} : { meaning }) }
}

/** TLS was answered by somebody who can't prove to be the relay. */
function distrustWords({ tlsIssuer }: EgressFact): string {
  const issuer = tlsIssuer === undefined ? 'an unknown issuer' : `“${tlsIssuer}”`
  return `certificate by ${issuer}: something on the way opens TLS, or the relay signs for itself`
}

/** What the system's codes say. */
const ERRORS: ReadonlyMap<string, string> = new Map([
  ['ETIMEDOUT', 'no answer'],
  ['ERR_REACH_TIMEOUT', 'no answer'],
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'cut off'],
  ['ENETUNREACH', 'no route there'],
  ['EHOSTUNREACH', 'no route there'],
  ['EACCES', 'forbidden on this host'],
  ['EPERM', 'forbidden on this host'],
  ['ENOTFOUND', 'the name was not found'],
  ['ENODATA', 'the name has no address'],
  ['EAI_AGAIN', 'the name could not be looked up'],
])

/** A code with its meaning; sentences stay as they are. */
function errorWords(error: string): string {
  const words = ERRORS.get(error)
  return words === undefined ? error : `${words} (${error})`
}
