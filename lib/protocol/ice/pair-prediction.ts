import type { EndpointDependence, NatBehavior, PortAllocationDetail } from '../../base/nat-behavior.ts'

/** How a direct connection between two peers would come about; `relay`: it would not. */
export type PredictedResult = 'direct' | 'direct-birthday' | 'relay'

/** What is to be expected of a pair of peers. */
export interface PredictedOutcome {
  readonly result: PredictedResult
  /** One sentence for a person. */
  readonly why: string
  /** `inferred` where a behaviour that matters is unknown; then the worse case is given. */
  readonly confidence: 'measured' | 'inferred'
}

/** The prediction for a peer in a typical network. */
export interface PairPrediction extends PredictedOutcome {
  /** Mapping and filtering of the other side in RFC 4787's short words, or `open` or `UDP blocked`. */
  readonly peerNat: string
  /** Where such a NAT is met. */
  readonly example: string
}

/** What one side of a pair is like, as far as it decides. */
export interface PeerNetwork {
  readonly behavior: NatBehavior
  /** UDP leaves and comes back. */
  readonly udpWorks: boolean
}

type Mapping = 'EIM' | 'ADM' | 'APDM'
type Filtering = 'EIF' | 'ADF' | 'APDF'
/** P: send at once from both sides. B: one side opens many ports, the other tries many. D: both must. */
type PairClass = 'P' | 'B' | 'D'

/**
 * The classes of all 45 pairs of RFC 4787 behaviours, found by exact simulation (and read from the diagonal on): which
 * technique lets packets flow both ways when each side knows how a STUN server saw the other.
 */
const ORDER = [
  'EIM/EIF',
  'EIM/ADF',
  'EIM/APDF',
  'ADM/EIF',
  'ADM/ADF',
  'ADM/APDF',
  'APDM/EIF',
  'APDM/ADF',
  'APDM/APDF',
]
const CLASSES: readonly (readonly PairClass[])[] = [
  ['P', 'P', 'P', 'P', 'P', 'P', 'P', 'P', 'P'],
  ['P', 'P', 'P', 'P', 'P', 'P', 'P', 'P'],
  ['P', 'B', 'B', 'B', 'B', 'B', 'B'],
  ['P', 'P', 'B', 'P', 'P', 'B'],
  ['B', 'B', 'P', 'B', 'B'],
  ['D', 'B', 'B', 'D'],
  ['P', 'P', 'D'],
  ['B', 'D'],
  ['D'],
]

/** Ours, by the sums behind the birthday search: two such sides meet within 15 s at 200 packets a second. */
export const MAX_SEARCHABLE_PORTS = 4096

/** Predicts what two peers can do; symmetric in its arguments. */
export function predictPair(one: PeerNetwork, other: PeerNetwork): PredictedOutcome {
  if (!one.udpWorks || !other.udpWorks) return predictWithoutUdp(one, other)
  const cases = combinations(one.behavior, other.behavior).map(([a, b]) => predictKnown(a, b))
  const worst = cases.reduce((a, b) => (rank(b.result) > rank(a.result) ? b : a))
  return cases.every((outcome) => outcome.result === worst.result)
    ? worst
    : { ...worst, confidence: 'inferred' }
}

function predictWithoutUdp(one: PeerNetwork, other: PeerNetwork): PredictedOutcome {
  const reachable = [one, other].some(
    (peer) => peer.behavior.mapping === 'none' && peer.behavior.filtering === 'none',
  )
  if (reachable) {
    return {
      result: 'direct',
      why: 'over TCP: one side has a public address without a filter',
      confidence: 'inferred',
    }
  }
  return { result: 'relay', why: 'UDP is blocked, so holes cannot be punched', confidence: 'measured' }
}

function predictKnown(a: NatBehavior, b: NatBehavior): PredictedOutcome {
  const pair = classOf(a, b)
  switch (pair) {
    case 'P':
      return { result: 'direct', why: whyPlain(a, b), confidence: 'measured' }
    case 'B':
      return predictOneSearch(isVarying(a) ? a : b, isVarying(a) && isVarying(b) ? b : undefined)
    case 'D':
      return predictTwoSearches(a, b)
  }
}

function whyPlain(a: NatBehavior, b: NatBehavior): string {
  if (a.mapping === 'none' && b.mapping === 'none') return 'both sides have public addresses'
  if (isOpen(a) || isOpen(b)) return 'one side accepts packets from anybody'
  if (isVarying(a) || isVarying(b)) return 'one public port varies, but the other side lets unknown ports in'
  return 'both sides keep one public port for all destinations, so both can be told where to send'
}

function isOpen(behavior: NatBehavior): boolean {
  return behavior.filtering === 'none' || behavior.filtering === 'endpoint-independent'
}

function predictOneSearch(varying: NatBehavior, other: NatBehavior | undefined): PredictedOutcome {
  const easier = other !== undefined && isGuessable(other) ? other : varying
  if (easier.portAllocation === 'preserving') {
    return {
      result: 'direct',
      why: 'the public port varies, but starts as the local port, which can be told',
      confidence: 'inferred',
    }
  }
  if (easier.portAllocation === 'sequential') {
    const why = `the public port varies by destination in steps of ${easier.ports?.step ?? 1}, so the next one can be predicted`
    return { result: 'direct', why, confidence: 'inferred' }
  }
  const seconds = searchSeconds(easier.ports, easier.portAllocation === 'block')
  const why = `the public port varies by destination and must be searched for: up to about ${seconds} s`
  return { result: 'direct-birthday', why, confidence: 'measured' }
}

function predictTwoSearches(a: NatBehavior, b: NatBehavior): PredictedOutcome {
  if (a.portAllocation === 'preserving' && b.portAllocation === 'preserving') {
    const why = 'both public ports vary, but start as the local ports, which can be told'
    return { result: 'direct', why, confidence: 'inferred' }
  }
  if (a.portAllocation === 'sequential' && b.portAllocation === 'sequential') {
    const why = 'both public ports vary, but both can be predicted'
    return { result: 'direct-birthday', why, confidence: 'inferred' }
  }
  if (isOnePort(a) || isOnePort(b)) {
    const why = 'both public ports vary, but one of them can be told, and the other is searched for'
    return { result: 'direct-birthday', why, confidence: 'inferred' }
  }
  if ((isNarrow(a) && isFew(b)) || (isNarrow(b) && isFew(a))) {
    const why = 'both public ports vary, but within few enough ports to search both'
    return { result: 'direct-birthday', why, confidence: 'inferred' }
  }
  const why = 'both public ports vary by destination over the whole range, and both sides filter by port'
  return { result: 'relay', why, confidence: 'measured' }
}

/** Towards one peer there is one port, which is known before the first packet. */
function isOnePort(behavior: NatBehavior): boolean {
  return behavior.mapping === 'address-dependent' && isGuessable(behavior)
}

/** The next ports are few. */
function isFew(behavior: NatBehavior): boolean {
  return behavior.portAllocation === 'sequential' || isNarrow(behavior)
}

function isVarying(behavior: NatBehavior): boolean {
  return behavior.mapping === 'address-dependent' || behavior.mapping === 'address-and-port-dependent'
}

function isGuessable(behavior: NatBehavior): boolean {
  return behavior.portAllocation === 'preserving' || behavior.portAllocation === 'sequential'
}

function isNarrow(behavior: NatBehavior): boolean {
  const { min, max } = behavior.ports ?? {}
  return (
    behavior.portAllocation === 'block' &&
    min !== undefined &&
    max !== undefined &&
    max - min < MAX_SEARCHABLE_PORTS
  )
}

/** 256 sockets on one side, 200 probes a second: 99 % within 1148 probes over 64,512 ports, 52 over 2,048. */
function searchSeconds(ports: PortAllocationDetail | undefined, isBlock: boolean): number {
  const span =
    isBlock && ports?.max !== undefined && ports.min !== undefined ? ports.max - ports.min + 1 : 64_512
  return Math.max(1, Math.round((span / 64_512) * 6))
}

function classOf(a: NatBehavior, b: NatBehavior): PairClass {
  const i = ORDER.indexOf(shortName(a))
  const j = ORDER.indexOf(shortName(b))
  return CLASSES[Math.min(i, j)]?.[Math.abs(i - j)] ?? 'D'
}

/** `EIM/APDF` and the like; no NAT counts as EIM, no filter as EIF. */
export function shortName(behavior: NatBehavior): string {
  return `${SHORT_MAPPING[known(behavior.mapping)]}/${SHORT_FILTERING[known(behavior.filtering)]}`
}

const SHORT_MAPPING: Readonly<Record<EndpointDependence, Mapping>> = {
  none: 'EIM',
  'endpoint-independent': 'EIM',
  'address-dependent': 'ADM',
  'address-and-port-dependent': 'APDM',
}
const SHORT_FILTERING: Readonly<Record<EndpointDependence, Filtering>> = {
  none: 'EIF',
  'endpoint-independent': 'EIF',
  'address-dependent': 'ADF',
  'address-and-port-dependent': 'APDF',
}

function known(value: EndpointDependence | 'unknown'): EndpointDependence {
  return value === 'unknown' ? 'address-and-port-dependent' : value
}

const ALL_KINDS: readonly EndpointDependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]

/** Every reading of the unknowns. */
function combinations(a: NatBehavior, b: NatBehavior): readonly (readonly [NatBehavior, NatBehavior])[] {
  return readings(a).flatMap((x) => readings(b).map((y) => [x, y] as const))
}

function readings(behavior: NatBehavior): readonly NatBehavior[] {
  const mappings = behavior.mapping === 'unknown' ? ALL_KINDS : [behavior.mapping]
  const filterings = behavior.filtering === 'unknown' ? ALL_KINDS : [behavior.filtering]
  return mappings.flatMap((mapping) => filterings.map((filtering) => ({ ...behavior, mapping, filtering })))
}

function rank(result: PredictedResult): number {
  return result === 'direct' ? 0 : result === 'direct-birthday' ? 1 : 2
}

interface TypicalPeer extends PeerNetwork {
  readonly peerNat: string
  readonly example: string
}

function typical(peerNat: string, example: string, behavior: NatBehavior, udpWorks = true): TypicalPeer {
  return { peerNat, example, behavior, udpWorks }
}

const EIM = 'endpoint-independent'
const APDM = 'address-and-port-dependent'

/** The networks that the other side is usually in. */
export const TYPICAL_PEERS: readonly TypicalPeer[] = [
  typical('open', 'a server with a public address', {
    mapping: 'none',
    filtering: 'none',
    portAllocation: 'preserving',
  }),
  typical('EIM/EIF', 'a router that lets everybody answer (full cone), a mapped port', {
    mapping: EIM,
    filtering: EIM,
    portAllocation: 'preserving',
  }),
  typical('EIM/ADF', 'a router that filters by address', {
    mapping: EIM,
    filtering: 'address-dependent',
    portAllocation: 'preserving',
  }),
  typical('EIM/APDF', 'most home routers; IPv6 behind a firewall', {
    mapping: EIM,
    filtering: APDM,
    portAllocation: 'preserving',
  }),
  typical('APDM/APDF sequential', 'older office firewalls', {
    mapping: APDM,
    filtering: APDM,
    portAllocation: 'sequential',
    ports: { step: 1 },
  }),
  typical('APDM/APDF block', 'carriers that give each customer a block of ports', {
    mapping: APDM,
    filtering: APDM,
    portAllocation: 'block',
    ports: { min: 20_000, max: 20_511 },
  }),
  typical('APDM/APDF random', 'mobile carriers, cloud NAT gateways, strict offices', {
    mapping: APDM,
    filtering: APDM,
    portAllocation: 'random',
  }),
  typical(
    'UDP blocked',
    'locked-down offices, some hotels',
    { mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' },
    false,
  ),
]

/** Predicts a connection to each of {@link TYPICAL_PEERS}. */
export function predictTypicalPairs(own: PeerNetwork): readonly PairPrediction[] {
  return TYPICAL_PEERS.map((peer) => ({
    peerNat: peer.peerNat,
    example: peer.example,
    ...predictPair(own, peer),
  }))
}
