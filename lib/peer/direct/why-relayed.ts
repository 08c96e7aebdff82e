import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import { shortName } from '../../protocol/ice/pair-prediction.ts'
import type { DirectReport } from './direct-report.ts'

/** Why a connection is relayed, for a person. */
export interface WhyRelayed {
  /** What both networks are like, and what follows from it. */
  readonly why: string
  /** What was tried, with counters. */
  readonly tried: readonly string[]
  /** What to change, the most promising first. */
  readonly remedies: readonly string[]
}

/** Explains a report; undefined while there is nothing to explain: a direct path, or an attempt under way. */
export function whyRelayed(report: DirectReport): WhyRelayed | undefined {
  if (report.state === 'direct' || report.state === 'trying') return undefined
  if (report.state === 'unsupported') {
    return {
      why: 'the peer’s program takes no part in looking for direct paths',
      tried: [],
      remedies: ['update p2p-reach there'],
    }
  }
  return { why: cause(report), tried: triedWords(report), remedies: remedies(report) }
}

function cause({ ours, theirs, prediction, tried, triedByPeer }: DirectReport): string {
  const sides = `here ${networkWords(ours)}, there ${networkWords(theirs)}`
  const half = halfOpen(tried?.packetsHeard, triedByPeer?.packetsHeard)
  const more = half === undefined ? '' : `; ${half}`
  if (prediction === undefined) return `${sides}${more}`
  if (prediction.result === 'relay') return `${sides}: ${prediction.why}${more}`
  return `${sides}: a direct path was expected (${prediction.why}), and did not come about${more}`
}

/** A network in RFC 4787's short words. */
export function networkWords(nat: NatSummary | undefined): string {
  if (nat === undefined) return 'a network that was not measured'
  if (!nat.udpWorks) return 'a network without UDP'
  const { behavior } = nat
  if (behavior.mapping === 'none' && behavior.filtering === 'none') return 'no NAT and no filter'
  if (behavior.mapping === 'none') return 'a firewall without NAT'
  const ports = behavior.mapping === 'endpoint-independent' ? '' : ` with ${behavior.portAllocation} ports`
  return `a NAT ${shortName(behavior)}${ports}`
}

function triedWords({ tried, triedByPeer }: DirectReport): readonly string[] {
  const lines: string[] = []
  for (const [who, summary] of [
    ['here', tried],
    ['there', triedByPeer],
  ] as const) {
    if (summary === undefined) continue
    const { recipe = 'none', sockets, packetsSent, packetsHeard, tcpTries } = summary
    lines.push(
      `${who}: UDP recipe ${recipe}, ${count(sockets, 'socket')}, ${count(packetsSent, 'packet')} sent, ` +
        `${packetsHeard} of the other side heard; ${count(tcpTries, 'TCP connection')} tried`,
    )
  }
  return lines
}

/** Packets that got through in one direction only. */
function halfOpen(heardHere: number | undefined, heardThere: number | undefined): string | undefined {
  if (heardHere === undefined || heardThere === undefined) return undefined
  if (heardHere > 0 && heardThere === 0) return 'packets get through from there to here, but not back'
  if (heardThere > 0 && heardHere === 0) return 'packets get through from here to there, but not back'
  return undefined
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function remedies({ ours, theirs }: DirectReport): readonly string[] {
  const found: string[] = []
  if (isHard(ours) || isHard(theirs)) {
    const where = isHard(ours)
      ? isHard(theirs)
        ? 'on one of the two routers'
        : 'on the router here'
      : 'on the router there'
    found.push(
      `let a port be mapped ${where}: turn on PCP, NAT-PMP or UPnP, or forward a UDP port to this host`,
    )
  }
  if (ours?.udpWorks === false) found.push('let UDP out of the network here')
  if (theirs?.udpWorks === false) found.push('let UDP out of the network there')
  found.push('IPv6 on both sides needs no NAT at all')
  found.push('p2p-reach diagnose  says more about each side')
  return found
}

function isHard(nat: NatSummary | undefined): boolean {
  const mapping = nat?.behavior.mapping
  return nat?.udpWorks === true && mapping !== 'none' && mapping !== 'endpoint-independent'
}
