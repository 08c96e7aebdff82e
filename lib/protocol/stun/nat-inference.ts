import type { Fact } from '../../base/fact.ts'
import { inferred, measured, unknown } from '../../base/fact.ts'
import type { EndpointDependence, PortAllocation, PortAllocationDetail } from '../../base/nat-behavior.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { LossTally } from './nat-survey.ts'

/**
 * Ours: silence counts as proof only when loss explains it with less than this probability. A report makes some ten
 * such statements, so one wrong statement in ten thousand reports of lossy networks, and none where nothing is lost.
 */
export const MAX_CHANCE_OF_SILENCE = 1e-5

/**
 * The probability that loss alone swallowed `silentShots` answers in a row, given how many of `tally.sent` shots were
 * answered on the same network: the posterior mean of q^n for a success rate q with a uniform prior, which is
 * B(answered+1, lost+n+1) / B(answered+1, lost+1) for the complement; computed as a running product.
 */
export function chanceOfSilence(silentShots: number, tally: LossTally): number {
  const lost = tally.sent - tally.answered
  let chance = 1
  for (let i = 0; i < silentShots; i++) chance *= (lost + 1 + i) / (tally.sent + 2 + i)
  return chance
}

/** How many silent shots prove silence at this loss rate. */
export function shotsToProveSilence(tally: LossTally): number {
  let shots = 1
  while (shots < 100 && chanceOfSilence(shots, tally) >= MAX_CHANCE_OF_SILENCE) shots++
  return shots
}

/** One answer of one server to one socket: we sent to `to` and were seen as `mapped`. */
export interface Observation {
  readonly to: TransportAddress
  readonly mapped: TransportAddress
}

/** How the mapping behaves; `varies` is known even where the exact kind is not. */
export interface MappingFact extends Fact<EndpointDependence> {
  readonly variesByDestination: boolean | 'unknown'
}

/**
 * Names the mapping behaviour from what several destinations saw of ONE socket. Ports decide; a differing public IP is
 * a pool or a second uplink, which is a fact of its own.
 * @param local the socket's own address towards the servers; undefined when the system could not say.
 * @param mayLearnMore a second port of some server was not heard of (yet), so ADM and APDM can't be told apart.
 */
export function inferMapping(
  observations: readonly Observation[],
  local: TransportAddress | undefined,
  mayLearnMore: boolean,
): MappingFact {
  const seen = observations.map((o) => `${formatAddress(o.to)} saw ${formatAddress(o.mapped)}`)
  if (observations.length < 2) {
    return {
      ...unknown('two answers from different addresses are needed', ...seen),
      variesByDestination: 'unknown',
    }
  }
  if (
    local !== undefined &&
    observations.every((o) => o.mapped.ip === local.ip && o.mapped.port === local.port)
  ) {
    return {
      ...measured('none', `the public address is this host's own, ${formatAddress(local)}`, ...seen),
      variesByDestination: false,
    }
  }
  const byIp = groupByDestination(observations)
  const outlier = findOutlier(byIp)
  if (outlier !== undefined) {
    const why = `${outlier} disagrees with all others: it lies, or something rewrites its answers`
    return { ...inferred('endpoint-independent', why, ...seen), variesByDestination: false }
  }
  const samePortEverywhere = observations.every((o) => o.mapped.port === observations[0]?.mapped.port)
  if (samePortEverywhere) return unvarying(byIp.size, seen)
  const ipsWithTwoPorts = [...byIp.values()].filter((group) => group.length >= 2)
  const variesByPort = ipsWithTwoPorts.some((group) => !agree(group))
  if (variesByPort) {
    return {
      ...measured(
        'address-and-port-dependent',
        'two ports of one server saw different public ports',
        ...seen,
      ),
      variesByDestination: true,
    }
  }
  if (ipsWithTwoPorts.length > 0) {
    return {
      ...measured('address-dependent', 'the public port is one per server address', ...seen),
      variesByDestination: true,
    }
  }
  if (mayLearnMore) {
    return {
      ...unknown('the public port varies, but no second port of a server answered', ...seen),
      variesByDestination: true,
    }
  }
  const why =
    'the public port varies between servers; none offers a second port, so it may also be address-dependent'
  return { ...inferred('address-and-port-dependent', why, ...seen), variesByDestination: true }
}

function unvarying(destinationIps: number, seen: readonly string[]): MappingFact {
  if (destinationIps >= 2) {
    return {
      ...measured('endpoint-independent', 'all destinations saw one public port', ...seen),
      variesByDestination: false,
    }
  }
  const why = 'two ports of one server saw one public port; a server at another address is needed to be sure'
  return { ...unknown(why, ...seen), variesByDestination: 'unknown' }
}

function groupByDestination(observations: readonly Observation[]): Map<string, Observation[]> {
  const byIp = new Map<string, Observation[]>()
  for (const observation of observations) {
    const group = byIp.get(observation.to.ip)
    if (group === undefined) byIp.set(observation.to.ip, [observation])
    else group.push(observation)
  }
  return byIp
}

function agree(group: readonly Observation[]): boolean {
  return group.every((o) => o.mapped.port === group[0]?.mapped.port)
}

/**
 * The one server address that disagrees while at least two others agree. A NAT that varies by address would give each
 * of them another port, so agreement of two is no accident.
 */
function findOutlier(byIp: ReadonlyMap<string, readonly Observation[]>): string | undefined {
  if (byIp.size < 3) return undefined
  const votes = new Map<number, number>()
  for (const group of byIp.values()) {
    const port = group[0]?.mapped.port
    if (port !== undefined && agree(group)) votes.set(port, (votes.get(port) ?? 0) + 1)
  }
  const [port, count] = [...votes].sort((a, b) => b[1] - a[1])[0] ?? [0, 0]
  if (count !== byIp.size - 1) return undefined
  for (const [ip, group] of byIp) {
    if (!agree(group) || group[0]?.mapped.port !== port) return ip
  }
  return undefined
}

/** Public IPs when one host shows more than one of the same family: an address pool, or several uplinks. */
export function publicIps(observations: readonly Observation[]): readonly string[] {
  return [...new Set(observations.map((o) => o.mapped.ip))]
}

/** What became of the RFC 5780 §4.4 tests. */
export interface FilteringEvidence {
  /** An answer from an address and port that we never sent to. */
  readonly fromOtherAddress: 'answered' | 'silent' | 'open' | 'unsupported'
  /** An answer from another port of the address that we sent to. */
  readonly fromOtherPort: 'answered' | 'silent' | 'open' | 'unsupported'
  /** There is no NAT on the way, so an absent filter is `none` rather than `endpoint-independent`. */
  readonly mappingIsNone: boolean
  readonly detail: readonly string[]
}

/** Names the filtering behaviour (RFC 5780 §4.4). `open` tests (neither answered nor proven silent) leave it unknown. */
export function inferFiltering(evidence: FilteringEvidence): Fact<EndpointDependence> {
  const { fromOtherAddress, fromOtherPort, detail } = evidence
  if (fromOtherAddress === 'answered') {
    const value = evidence.mappingIsNone ? 'none' : 'endpoint-independent'
    return measured(value, 'an answer came in from an address that was never sent to', ...detail)
  }
  if (fromOtherAddress === 'silent' && fromOtherPort === 'answered') {
    return measured(
      'address-dependent',
      'answers come in from any port of an address sent to, and from no other',
      ...detail,
    )
  }
  if (fromOtherPort === 'silent') {
    // Silence from another port of the same address includes silence from another address: the weaker test failed.
    return measured('address-and-port-dependent', 'only the address and port sent to can answer', ...detail)
  }
  if (fromOtherAddress === 'unsupported' && fromOtherPort === 'unsupported') {
    return unknown('no server could answer from another address or port (RFC 5780)', ...detail)
  }
  return unknown('too few answers to tell', ...detail)
}

/** What one extra socket showed: its own port, and the public port that the first server saw. */
export interface AllocationSample {
  readonly localPort: number
  readonly publicPort: number
  /** When its first packet left. */
  readonly sentMs: number
  /** The first packet got through, so `sentMs` is when the NAT chose. */
  readonly firstShot: boolean
}

/** How public ports are chosen, with what was seen of their order and range. */
export interface AllocationFact extends Fact<PortAllocation>, PortAllocationDetail {}

/** Ours: fewer answers than this say nothing about a pattern. */
export const MIN_ALLOCATION_SAMPLES = 8
/** Ours: a NAT keeps ports where possible; some are taken by others. */
const PRESERVED_SHARE = 0.75
/** Ours: the largest port block that carriers hand out per subscriber in the research's sources. */
const MAX_BLOCK_PORTS = 4096
/** Ours: steps seen in the field are 1 and 2; EasyTier follows up to 100. */
const MAX_STEP = 64
/** Ours: share of gaps that must equal the step. */
const STEP_SHARE = 0.5
/**
 * Ours: rank correlation with time that even gaps need beside them (jitter reorders some packets), and that shows order
 * without them. Of 16 ports in no order, one set in 30 reaches the first by chance, one in 10,000 the second.
 */
const MIN_ORDER = 0.4
const SURE_ORDER = 0.7
/** Ours: fewer ports whose time is known show no order. */
const MIN_TIMED_SAMPLES = 6

/** Names the port allocation from extra sockets that all asked one server. */
export function inferAllocation(samples: readonly AllocationSample[]): AllocationFact {
  const ports = samples.map((sample) => sample.publicPort)
  const range = ports.length === 0 ? {} : { min: Math.min(...ports), max: Math.max(...ports) }
  if (samples.length < MIN_ALLOCATION_SAMPLES) {
    return {
      ...unknown(`${samples.length} of at least ${MIN_ALLOCATION_SAMPLES} sockets were answered`),
      ...range,
    }
  }
  const list = samples.map((s) => `${s.localPort}→${s.publicPort}`).join(' ')
  const preserved = samples.filter((s) => s.localPort === s.publicPort).length
  if (preserved >= samples.length * PRESERVED_SHARE) {
    return {
      ...measured('preserving', `${preserved} of ${samples.length} sockets kept their port`, list),
      ...range,
    }
  }
  const order = orderInTime(samples)
  const gap = regularGap(ports)
  if (gap !== undefined && (order === undefined || Math.abs(order) >= MIN_ORDER)) {
    const step = order === undefined ? {} : { step: gap * Math.sign(order) }
    return { ...measured('sequential', `ports follow each other by ${gap}`, list), ...range, ...step }
  }
  if (order !== undefined && Math.abs(order) >= SURE_ORDER) {
    return {
      ...unknown('ports move with time, but not in even steps: others take some, too', list),
      ...range,
    }
  }
  const span = (range.max ?? 0) - (range.min ?? 0) + 1
  if (preserved > samples.length / 4) {
    return {
      ...unknown(`${preserved} of ${samples.length} sockets kept their port, the rest did not`, list),
      ...range,
    }
  }
  if (span <= MAX_BLOCK_PORTS) {
    return {
      ...measured(
        'block',
        `${samples.length} sockets got ports within ${span} of each other, in no order`,
        list,
      ),
      ...range,
    }
  }
  return { ...measured('random', `${samples.length} sockets got ports spread over ${span}`, list), ...range }
}

/** How far ports move with time, -1 to +1; undefined when too few of them tell. */
function orderInTime(samples: readonly AllocationSample[]): number | undefined {
  // A port chosen for a retransmission says nothing about order.
  const timed = samples.filter((s) => s.firstShot).sort((a, b) => a.sentMs - b.sentMs)
  return timed.length < MIN_TIMED_SAMPLES ? undefined : orderOf(timed.map((s) => s.publicPort))
}

/** The gap that most neighbouring ports have, when it is small and common. */
function regularGap(ports: readonly number[]): number | undefined {
  const sorted = unwrap(ports)
  const gaps = sorted.slice(1).map((port, i) => port - (sorted[i] ?? 0))
  const { gap, count } = commonest(gaps)
  return gap >= 1 && gap <= MAX_STEP && count >= gaps.length * STEP_SHARE ? gap : undefined
}

/** Kendall's rank correlation of ports with time, on the circle of ports: +1 rising, -1 falling, 0 no order. */
function orderOf(ports: readonly number[]): number {
  const sorted = unwrap(ports)
  const rank = new Map(sorted.map((port, index) => [port & 0xffff, index]))
  let balance = 0
  let pairs = 0
  for (let i = 0; i < ports.length; i++) {
    for (let j = i + 1; j < ports.length; j++) {
      balance += Math.sign((rank.get(ports[j] ?? 0) ?? 0) - (rank.get(ports[i] ?? 0) ?? 0))
      pairs++
    }
  }
  return pairs === 0 ? 0 : balance / pairs
}

/** Sorts ports ascending, starting after the widest gap of the circle, so that a counter that wrapped stays in order. */
function unwrap(ports: readonly number[]): readonly number[] {
  const sorted = [...ports].sort((a, b) => a - b)
  let start = 0
  let widest = (sorted[0] ?? 0) + 65_536 - (sorted.at(-1) ?? 0)
  for (let i = 1; i < sorted.length; i++) {
    const gap = (sorted[i] ?? 0) - (sorted[i - 1] ?? 0)
    if (gap > widest) {
      widest = gap
      start = i
    }
  }
  return [...sorted.slice(start), ...sorted.slice(0, start).map((port) => port + 65_536)]
}

function commonest(values: readonly number[]): { readonly gap: number; readonly count: number } {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const [gap, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [0, 0]
  return { gap, count }
}
