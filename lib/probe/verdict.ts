import type { NatBehavior } from '../base/nat-behavior.ts'
import type { NatDiscoveryReport } from '../protocol/stun/nat-behavior-discovery.ts'
import type { PeerNetwork } from '../protocol/ice/pair-prediction.ts'
import type { DiagnoseReport, Remedy, Verdict, VerdictClass } from './report.ts'

/** What a verdict is drawn from: the report without it. */
export type Findings = Omit<DiagnoseReport, 'verdict' | 'prediction' | 'durationMs' | 'startedAt' | 'schema'>

/** Ours: certificates and tokens of minutes break beyond this. */
const MAX_CLOCK_SKEW_MS = 60_000
/** RFC 9000 §14: QUIC needs 1200 bytes of payload; RFC 8200 §5: every IPv6 link carries 1280. */
const MIN_USEFUL_MTU = 1280

/** Sums the facts up for a person: one class, one or two sentences, and what to change, most useful first. */
export function drawVerdict(findings: Findings): Verdict {
  const verdictClass = classify(findings)
  return {
    class: verdictClass,
    summary: summarize(verdictClass, findings),
    remedies: remedies(verdictClass, findings),
  }
}

/** What of a report decides about pairs. */
export type BehaviorFacts = Pick<NatDiscoveryReport, 'mapping' | 'filtering' | 'portAllocation'>

/** The behaviour that pairs are predicted from, out of the facts about it. */
export function behaviorOf({ mapping, filtering, portAllocation }: BehaviorFacts): NatBehavior {
  const { step, min, max } = portAllocation
  return {
    mapping: mapping.value,
    filtering: filtering.value,
    portAllocation: portAllocation.value,
    ports: {
      ...(step === undefined ? {} : { step }),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    },
  }
}

/** UDP leaves and comes back, over any family. */
function udpWorks({ udp }: Findings): boolean {
  return udp.works.ipv4.value === true || udp.works.ipv6.value === true
}

/** This host as one side of a pair, for `predictPair`. */
export function peerNetworkOf(findings: Findings): PeerNetwork {
  return { behavior: behaviorOf(findings.nat), udpWorks: udpWorks(findings) }
}

/** Any server was reached in any way. */
export function isAnythingReachable(findings: Findings): boolean {
  const { tcp, egress } = findings
  const tcpWorks = tcp.works.ipv4.value === true || tcp.works.ipv6.value === true
  return udpWorks(findings) || tcpWorks || egress.some((way) => way.value === true)
}

function classify(findings: Findings): VerdictClass {
  if (!isAnythingReachable(findings)) return isOffline(findings) ? 'offline' : 'blocked'
  if (!udpWorks(findings)) return 'blocked'
  const { mapping, filtering } = findings.nat
  if (mapping.value === 'none' && filtering.value === 'none') return 'open'
  return mapping.variesByDestination === true ? 'hard' : 'easy'
}

/** No way out of this host at all, so no network is to blame. */
function isOffline({ gateways, interfaces }: Findings): boolean {
  return gateways.length === 0 && !interfaces.some((one) => one.carries.length > 0)
}

function summarize(verdictClass: VerdictClass, findings: Findings): string {
  const { captivePortal, nat, udp } = findings
  if (captivePortal.value === true)
    return 'A login page stands between this network and the internet; sign in first.'
  switch (verdictClass) {
    case 'offline':
      return 'This computer has no route to the internet.'
    case 'blocked':
      return isAnythingReachable(findings)
        ? 'UDP does not get through, so peers are reached through a relay over TCP.'
        : 'Neither UDP nor TCP reached any server that was asked; nothing can be said about the NAT.'
    case 'open':
      return 'Anybody can send packets to this computer: every peer can connect to it directly.'
    case 'easy':
      return summarizeEasy(findings)
    case 'hard': {
      const v6 = nat.family === 'ipv4' && udp.works.ipv6.value === true ? ' Over IPv6 it is easy.' : ''
      return `The NAT shows another public port to every destination, so many peers are reached only through a relay or a port search.${v6}`
    }
  }
}

function summarizeEasy({ nat }: Findings): string {
  if (nat.mapping.value === 'none') {
    return 'This computer has a public address behind a firewall; peers connect directly once both sides send.'
  }
  if (nat.mapping.value === 'unknown') {
    return 'Peers can probably connect directly: nothing seen so far speaks against it, but too few servers answered to be sure.'
  }
  return 'The NAT keeps one public port for all destinations; most peers connect directly.'
}

function remedies(verdictClass: VerdictClass, findings: Findings): readonly Remedy[] {
  const all = [
    ...accessRemedies(verdictClass, findings),
    ...udpRemedies(verdictClass, findings),
    ...natRemedies(verdictClass, findings),
    ...hygieneRemedies(findings),
    ...evidenceRemedies(verdictClass, findings),
  ]
  return all
}

function remedy(id: string, action: string, why: string): Remedy {
  return { id, action, why }
}

/** What keeps this host from the internet as such. */
function accessRemedies(
  verdictClass: VerdictClass,
  { captivePortal, dns, proxy, nat }: Findings,
): readonly Remedy[] {
  const list: Remedy[] = []
  if (verdictClass === 'offline') {
    list.push(
      remedy(
        'connect',
        'Connect this computer to a network and run diagnose again.',
        'There is no default route.',
      ),
    )
  }
  if (captivePortal.value === true) {
    const where = captivePortal.location === undefined ? 'any web page' : captivePortal.location
    list.push(
      remedy(
        'sign-in',
        `Open ${where} in a browser and sign in.`,
        'Until then the network answers in the place of every server.',
      ),
    )
  }
  if (dns.value === 'failing' && verdictClass !== 'offline') {
    list.push(
      remedy(
        'dns',
        'Set another DNS server.',
        `None of ${dns.servers.join(', ') || 'the configured servers'} answered, so names cannot be resolved.`,
      ),
    )
  }
  if (dns.value === 'hijacked') {
    list.push(
      remedy(
        'dns-hijack',
        'Set a DNS server that does not rewrite answers.',
        'Names that do not exist get an address here.',
      ),
    )
  }
  if (proxy.value === 'dead') {
    const name = proxy.source ?? 'the proxy variable'
    list.push(
      remedy('proxy', `Unset or correct ${name}.`, `The proxy ${proxy.address ?? ''} does not answer.`),
    )
  }
  if (verdictClass === 'blocked' && nat.boundaryHop.value === 0) {
    list.push(
      remedy(
        'host-firewall',
        'Allow outgoing UDP in the firewall of this computer.',
        'It is the one that blocks.',
      ),
    )
  }
  return list
}

function udpRemedies(verdictClass: VerdictClass, findings: Findings): readonly Remedy[] {
  if (verdictClass !== 'blocked') return []
  if (!isAnythingReachable(findings)) {
    return [
      remedy(
        'any-way-out',
        'Try a relay on TCP port 443, or another network.',
        'No server answered on any port that was tried.',
      ),
      remedy(
        'check-servers',
        'Check that the servers that were asked are up.',
        'If they are down, the network is not to blame.',
      ),
    ]
  }
  return [
    remedy(
      'allow-udp',
      'Ask for outgoing UDP to be allowed (STUN port 3478 and ports 1024 to 65535).',
      'Direct connections need it; TCP already works.',
    ),
    remedy('use-relay', 'Until then use a relay on TCP port 443.', 'It needs nothing but outgoing TCP.'),
  ]
}

function natRemedies(verdictClass: VerdictClass, findings: Findings): readonly Remedy[] {
  const { nat, portMapping, udp } = findings
  if (verdictClass !== 'hard' && verdictClass !== 'easy') return []
  const list: Remedy[] = []
  const mapper = (['pcp', 'natPmp', 'upnp'] as const).find((name) => portMapping[name].value === 'available')
  const dead = Object.values(portMapping).find(({ value }) => value === 'unreachable-from-outside')
  const router =
    portMapping.pcp.gateway ?? portMapping.upnp.gateway ?? findings.gateways[0]?.ip ?? 'the router'
  if (nat.cgn.value === true) {
    list.push(
      remedy(
        'carrier-nat',
        'Ask the provider for a public IPv4 address, or for IPv6.',
        'The NAT in the way is the carrier’s; nothing set at home changes it.',
      ),
    )
  } else if (nat.layers.value === '2+') {
    list.push(
      remedy(
        'double-nat',
        'Put one of the two routers into bridge mode.',
        'Two NATs stand in a row; port mappings reach only the inner one.',
      ),
    )
  } else if (dead !== undefined) {
    list.push(
      remedy(
        'port-mapping-dead',
        'Let the firewall of this host accept what comes to mapped ports; if it does, start the router anew.',
        `${dead.gateway ?? 'The router'} grants ports, but nothing comes in through them.`,
      ),
    )
  } else if (mapper === undefined && nat.mapping.value !== 'none') {
    const gain =
      verdictClass === 'hard'
        ? 'A mapped port makes every peer reach this host directly.'
        : 'A mapped port also lets peers behind strict NATs connect directly.'
    list.push(
      remedy(
        'port-mapping',
        `Switch on PCP, NAT-PMP or UPnP at ${router}, or forward a UDP port by hand.`,
        gain,
      ),
    )
  }
  if (verdictClass === 'hard' && nat.cgn.value !== true) {
    list.push(
      remedy(
        'static-port',
        'At the router, keep source ports for UDP ("static port", "endpoint-independent NAT", "full cone").',
        'Then one public port serves all peers.',
      ),
    )
  }
  if (verdictClass === 'hard' && udp.works.ipv6.value !== true) {
    list.push(remedy('ipv6', 'Switch on IPv6.', 'It has no NAT: two peers with IPv6 connect directly.'))
  }
  if (nat.alg.value === true) {
    list.push(
      remedy(
        'alg',
        `Switch off SIP ALG and similar helpers at ${router}.`,
        'Something rewrites addresses inside packets.',
      ),
    )
  }
  return list
}

/** What breaks connections whatever the NAT. */
function hygieneRemedies({ clockSkewMs, egress, mtu }: Findings): readonly Remedy[] {
  const list: Remedy[] = []
  if (clockSkewMs.value !== 'unknown' && Math.abs(clockSkewMs.value) > MAX_CLOCK_SKEW_MS) {
    const minutes = Math.round(Math.abs(clockSkewMs.value) / 6000) / 10
    const way = clockSkewMs.value > 0 ? 'ahead' : 'behind'
    list.push(
      remedy(
        'clock',
        'Set the clock (switch on NTP).',
        `It is ${minutes} min ${way}, so certificates look expired or not yet valid.`,
      ),
    )
  }
  const intercepted = egress.find(
    (way) => way.transport === 'tls' && way.tlsTrusted === false && way.value === false,
  )
  if (intercepted !== undefined) {
    const issuer = intercepted.tlsIssuer ?? 'an unknown authority'
    list.push(
      remedy(
        'tls-interception',
        `Ask for ${intercepted.relay} to be exempted from TLS inspection.`,
        `Its certificate was replaced by one of ${issuer}.`,
      ),
    )
  }
  if (mtu.value !== 'unknown' && mtu.value < MIN_USEFUL_MTU) {
    list.push(
      remedy(
        'mtu',
        'Raise the MTU of the tunnel or link, or let ICMP through.',
        `Packets over ${mtu.value} bytes do not arrive.`,
      ),
    )
  }
  return list
}

/** What would make the next report say more. */
function evidenceRemedies(verdictClass: VerdictClass, { nat }: Findings): readonly Remedy[] {
  if (verdictClass === 'offline' || verdictClass === 'blocked') return []
  if (nat.mapping.value !== 'unknown' && nat.filtering.value !== 'unknown') return []
  return [
    remedy(
      'more-servers',
      'Add a STUN server with two addresses: --stun HOST:PORT (p2p-reach relay up, coturn).',
      'The servers that answered cannot show the mapping and filtering in full.',
    ),
  ]
}
