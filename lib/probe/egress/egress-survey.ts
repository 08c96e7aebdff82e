import { ReachError } from '../../base/errors.ts'
import type { Fact } from '../../base/fact.ts'
import { measured, unknown } from '../../base/fact.ts'
import type { RelayUrl } from '../../base/relay-url.ts'
import type { Runtime } from '../../base/runtime.ts'
import type { SshUrl } from '../../base/ssh-url.ts'
import { formatSshUrl } from '../../base/ssh-url.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { CaptivePortalFact, DnsFact, EgressFact, PerFamily, ProxyFact } from '../report.ts'
import { detectCaptivePortal } from './captive-portal.ts'
import { clockSkew } from './clock-skew.ts'
import { probeDns } from './dns.ts'
import type { ProxyEnvironment } from '../../net/outward/proxy-environment.ts'
import { proxyFor } from '../../net/outward/proxy-environment.ts'
import type { RelayEgress } from './relay-egress.ts'
import { probeRelay } from './relay-egress.ts'
import type { TcpMapping } from './stun-over-tcp.ts'
import { probeSsh } from './ssh-egress.ts'
import { stunOverTcp } from './stun-over-tcp.ts'

export interface EgressSurveyOptions {
  readonly relays: readonly RelayUrl[]
  /** SSH servers in place of relays. */
  readonly ssh: readonly SshUrl[]
  /** STUN servers, which are asked over TCP here. */
  readonly stunServers: readonly TransportAddress[]
  /** Names to judge the resolver by. */
  readonly names: readonly string[]
  /** Pages that answer 204 to everybody. */
  readonly portalChecks: readonly string[]
  readonly env: ProxyEnvironment
  /** Ends the survey with what is known. */
  readonly signal: AbortSignal
  /** What the relays' probes may take; less than the signal allows. */
  readonly budgetMs: number
  readonly onFact?: (fact: EgressFact) => void
}

/** All that was found out about the ways out, but UDP. */
export interface EgressFindings {
  readonly facts: readonly EgressFact[]
  readonly tcpWorks: PerFamily<Fact<boolean>>
  readonly overTcp: readonly TcpMapping[]
  readonly captivePortal: CaptivePortalFact
  readonly clockSkewMs: Fact<number>
  readonly dns: DnsFact
  readonly proxy: ProxyFact
}

/** Ours: a portal answers at once; a relay without port 80 must not make everybody wait. */
const PORTAL_TIMEOUT_MS = 1200
/** Ours: a server that does not answer over TCP by then is not what the network is judged by. */
const STUN_TCP_TIMEOUT_MS = 1500
const MAX_STUN_TCP_SERVERS = 4
/** Ours: as for a relay; sshd under load lets connections wait. */
const SSH_TIMEOUT_MS = 2500

/** Tries all ways out beside each other. Rejects only when the signal fires for another reason than time. */
export async function surveyEgress(runtime: Runtime, options: EgressSurveyOptions): Promise<EgressFindings> {
  const { relays, env, signal, budgetMs, onFact } = options
  const tell = (fact: EgressFact) => {
    if (!isForeignFamily(fact)) onFact?.(fact)
  }
  const late = 'there was no time to find out'
  const [perRelay, ssh, mappings, captivePortal, dns] = await Promise.all([
    Promise.all(
      relays.map((relay) =>
        inTime(probeRelay(runtime, relay, { env, signal, budgetMs, onFact: tell }), undefined),
      ),
    ),
    Promise.all(options.ssh.map((url) => askSshServer(runtime, url, options))),
    askStunServers(runtime, options),
    inTime(
      detectCaptivePortal(runtime, {
        relays,
        urls: options.portalChecks,
        signal,
        timeoutMs: PORTAL_TIMEOUT_MS,
      }),
      unknown(late),
    ),
    inTime(probeDns(runtime, options.names, { signal }), {
      ...unknown<never>(late),
      servers: runtime.resolver.servers(),
    }),
  ])
  const probed = perRelay.filter((one) => one !== undefined)
  const overTcp = [...probed.flatMap((one) => one.overTcp), ...mappings]
  return {
    facts: [...probed.flatMap((one) => one.facts).filter((fact) => !isForeignFamily(fact)), ...ssh],
    tcpWorks: { ipv4: tcpFact(probed, mappings, 'ipv4'), ipv6: tcpFact(probed, mappings, 'ipv6') },
    overTcp,
    captivePortal,
    clockSkewMs: clockSkew(probed.flatMap((one) => one.date ?? [])),
    dns,
    proxy: proxyFact(probed, env),
  }
}

/**
 * The relay has an address of a family that this host has no route for: nothing blocks it, so it is no way out. That
 * the family does not work is said in `tcp.works`.
 */
function isForeignFamily({ transport, value, error = '' }: EgressFact): boolean {
  return transport === 'tcp' && value === false && /\b(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)\b/.test(error)
}

async function inTime<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_TIMEOUT')) return otherwise
    throw error
  }
}

async function askSshServer(
  runtime: Runtime,
  url: SshUrl,
  { signal, budgetMs, onFact }: EgressSurveyOptions,
): Promise<EgressFact> {
  const limits = { signal, timeoutMs: Math.min(SSH_TIMEOUT_MS, budgetMs) }
  const late = unknown<boolean>('there was no time to find out')
  const about = { relay: formatSshUrl(url), transport: 'ssh', port: url.port } as const
  const fact = await inTime<EgressFact>(probeSsh(runtime, url, limits), { ...about, ...late })
  onFact?.(fact)
  return fact
}

/** Which STUN servers answer over TCP; those that don't may simply not offer it. */
async function askStunServers(
  runtime: Runtime,
  { stunServers, signal }: EgressSurveyOptions,
): Promise<readonly TcpMapping[]> {
  const limits = { signal, timeoutMs: STUN_TCP_TIMEOUT_MS }
  const asked = stunServers.slice(0, MAX_STUN_TCP_SERVERS)
  const answers = await Promise.all(
    asked.map((server) => inTime(stunOverTcp(runtime, server, limits), undefined)),
  )
  return answers.flatMap((answer) => (answer?.kind === 'done' ? answer.value : []))
}

function tcpFact(
  relays: readonly RelayEgress[],
  mappings: readonly TcpMapping[],
  family: AddressFamily,
): Fact<boolean> {
  const facts = relays.map((relay) => relay.tcp[family])
  const working = facts.find((fact) => fact.value === true)
  if (working !== undefined) return working
  const mapping = mappings.find(({ server }) => server.family === family)
  if (mapping !== undefined) return measured(true, `${formatAddress(mapping.server)} answered STUN over TCP`)
  return facts.find((fact) => fact.value === false) ?? facts[0] ?? unknown('no server is known to speak TCP')
}

/** One proxy serves all relays, unless some are exempt: what was tried counts. */
function proxyFact(relays: readonly RelayEgress[], env: ProxyEnvironment): ProxyFact {
  const facts = relays.map((relay) => relay.proxy)
  const tried = facts.find((fact) => fact.address !== undefined) ?? facts[0]
  if (tried !== undefined) return tried
  const choice = proxyFor(env, { host: 'relay.invalid', port: 443, secure: true })
  if (choice.kind === 'direct') return measured('none', 'no proxy variable is set')
  if (choice.kind === 'proxy') {
    const { address, source } = choice.proxy
    return { ...unknown('no relay was given to reach through it'), address, source }
  }
  return { ...unknown('it was not tried: no relay was given'), source: choice.source }
}
