import type { NatBehavior } from '../../base/nat-behavior.ts'

/** How one side of a punch behaves. */
export interface PunchPart {
  /** Sockets to send from. */
  readonly sockets: number
  /**
   * Where to: the addresses that the peer announced, ports that follow its last one in its steps, or ports drawn from
   * its range.
   */
  readonly targets: 'announced' | 'sequence' | 'range'
  /** New packets a second. */
  readonly packetsPerSecond: number
}

/** The name of a recipe, for people and counters. */
export type RecipeName = 'plain' | 'prediction' | 'birthday' | 'double-prediction' | 'block-search'

/** What both sides do; `none`: only a relay helps. */
export type PunchRecipe =
  | {
      readonly name: RecipeName
      readonly ours: PunchPart
      readonly theirs: PunchPart
      /** How long one round lasts before it is given up. */
      readonly roundMs: number
      /** Each round has new sockets, hence new ports: never more packets from a port that did not work. */
      readonly maxRounds: number
    }
  | { readonly name: 'none' }

/** Ours, from the sums behind the birthday search: 256 sockets and 200 packets a second find 64,512 ports in 5.7 s (99 %). */
export const BIRTHDAY_SOCKETS = 256
export const STORM_PACKETS_PER_SECOND = 200
export const STORM_MS = 10_000
/** Ours: two sides that both search meet in N = 1.5 × range packets each (90 %): 4096 is the most that is worth it. */
export const MAX_SEARCHED_RANGE = 4096
/** Ours: an early packet can spoil a port for good; after this time without success another one is better. */
export const PLAIN_ROUND_MS = 2000

const SEND: PunchPart = { sockets: 1, targets: 'announced', packetsPerSecond: 10 }
// Ours: as frp (10) and EasyTier (20) try around the predicted port, with room for other customers' ports.
const OPEN_SEQUENCE: PunchPart = { sockets: 8, targets: 'announced', packetsPerSecond: 100 }
const FOLLOW_SEQUENCE: PunchPart = { sockets: 1, targets: 'sequence', packetsPerSecond: 100 }
const OPEN_MANY: PunchPart = {
  sockets: BIRTHDAY_SOCKETS,
  targets: 'announced',
  packetsPerSecond: STORM_PACKETS_PER_SECOND,
}
const SEARCH: PunchPart = { sockets: 1, targets: 'range', packetsPerSecond: STORM_PACKETS_PER_SECOND }
const SWEEP_SEQUENCE: PunchPart = { sockets: 1, targets: 'sequence', packetsPerSecond: 100 }
const SWEEP_RANGE: PunchPart = { sockets: 16, targets: 'range', packetsPerSecond: STORM_PACKETS_PER_SECOND }

/**
 * Chooses what two sides do, from what was measured of both; the worse is taken for what is unknown. Both sides come to
 * matching parts: `chooseRecipe(a, b, true)` is `chooseRecipe(b, a, false)` mirrored.
 * @param weControl decides between sides that are alike
 */
export function chooseRecipe(ours: NatBehavior, theirs: NatBehavior, weControl: boolean): PunchRecipe {
  const a = traitsOf(ours)
  const b = traitsOf(theirs)
  if (isPlain(a, b)) return both('plain', SEND, SEND, PLAIN_ROUND_MS, 4)
  const opener = openerOf(a, b, weControl)
  if (opener === undefined) return searchFromBoth(a, b)
  const { isSequential } = opener === 'ours' ? a : b
  if (isSequential) {
    return opener === 'ours'
      ? both('prediction', OPEN_SEQUENCE, FOLLOW_SEQUENCE, PLAIN_ROUND_MS, 4)
      : both('prediction', FOLLOW_SEQUENCE, OPEN_SEQUENCE, PLAIN_ROUND_MS, 4)
  }
  return opener === 'ours'
    ? both('birthday', OPEN_MANY, SEARCH, STORM_MS, 1)
    : both('birthday', SEARCH, OPEN_MANY, STORM_MS, 1)
}

function both(
  name: RecipeName,
  ours: PunchPart,
  theirs: PunchPart,
  roundMs: number,
  maxRounds: number,
): PunchRecipe {
  return { name, ours, theirs, roundMs, maxRounds }
}

interface Traits {
  /** The public port towards the peer can be told before the first packet. */
  readonly isKnown: boolean
  /** The same for one packet of a fresh socket, and only for that. */
  readonly isKnownOnce: boolean
  readonly isPerPort: boolean
  readonly isSequential: boolean
  readonly isNarrow: boolean
  readonly filter: 'open' | 'address' | 'port'
}

/** What decides about one side. Public for the driver, which has to know what to announce. */
export function traitsOf({ mapping, filtering, portAllocation, ports }: NatBehavior): Traits {
  const isEim = mapping === 'none' || mapping === 'endpoint-independent'
  const isPreserving = portAllocation === 'preserving'
  const span = ports?.min !== undefined && ports.max !== undefined ? ports.max - ports.min : Infinity
  return {
    // Towards one address an address-dependent mapping is one port: preserved, if the NAT preserves.
    isKnown: isEim || (isPreserving && mapping === 'address-dependent'),
    isKnownOnce: isEim || isPreserving,
    isPerPort: !isEim && mapping !== 'address-dependent',
    isSequential: !isEim && portAllocation === 'sequential',
    isNarrow:
      portAllocation === 'block' ? span === Infinity || span < MAX_SEARCHED_RANGE : span < MAX_SEARCHED_RANGE,
    filter:
      filtering === 'none' || filtering === 'endpoint-independent'
        ? 'open'
        : filtering === 'address-dependent'
          ? 'address'
          : 'port',
  }
}

/** Class P of the matrix in docs/nat.md: both send to what was announced, and answer whom they hear. */
function isPlain(a: Traits, b: Traits): boolean {
  if (a.isKnownOnce && b.isKnownOnce) return true
  if (a.isKnown && a.filter !== 'port') return true
  if (b.isKnown && b.filter !== 'port') return true
  const looseBoth = (x: Traits, y: Traits) =>
    x.filter === 'open' && (y.filter === 'open' || y.filter === 'address')
  return looseBoth(a, b) || looseBoth(b, a)
}

/** Who opens many ports while the other searches; undefined when both would have to do both (class D). */
function openerOf(a: Traits, b: Traits, weControl: boolean): 'ours' | 'theirs' | undefined {
  if (a.isKnown) return 'theirs'
  if (b.isKnown) return 'ours'
  if (a.filter === 'port' && b.filter === 'port') return undefined
  // A search that costs one port for each packet is not answered through a port that varies with it.
  if (a.filter !== 'port' && b.filter !== 'port') return weControl ? 'ours' : 'theirs'
  const loose = a.filter === 'port' ? 'theirs' : 'ours'
  const [open, strict] = loose === 'ours' ? [a, b] : [b, a]
  // Class D of the matrix: APDM with a loose filter against APDM/APDF.
  return open.isPerPort && strict.isPerPort ? undefined : loose
}

function searchFromBoth(a: Traits, b: Traits): PunchRecipe {
  if (a.isSequential && b.isSequential)
    return both('double-prediction', SWEEP_SEQUENCE, SWEEP_SEQUENCE, PLAIN_ROUND_MS, 4)
  if (a.isNarrow && b.isNarrow) return both('block-search', SWEEP_RANGE, SWEEP_RANGE, STORM_MS, 1)
  return { name: 'none' }
}
