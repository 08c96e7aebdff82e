import type { NatBehavior } from '../../base/nat-behavior.ts'

/** How one side of a punch behaves. */
export interface PunchPart {
  /** Sockets to send from. */
  readonly sockets: number
  /**
   * Where to: the addresses that the peer announced, the port that its NAT gives next, ports that follow its last one in
   * its steps, or ports drawn from its range.
   */
  readonly targets: 'announced' | 'next' | 'sequence' | 'range'
  /** New packets a second. */
  readonly packetsPerSecond: number
}

/** The name of a recipe, for people and counters. */
export type RecipeName =
  'plain' | 'prediction' | 'birthday' | 'double-prediction' | 'block-search' | 'sequence-search'

/** Whether a recipe sends hundreds of packets in few seconds: one at a time, and not often (`storm-budget.ts`). */
export function isStorm(recipe: RecipeName): boolean {
  return recipe === 'birthday' || recipe.endsWith('-search')
}

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
/** Ours: of a block of 512 ports, a customer's all, this and the 32 that learn take a fifth; 4096 are found in 2.2 s (99 %). */
export const BLOCK_SOCKETS = 64
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
const OPEN_BLOCK: PunchPart = { ...OPEN_MANY, sockets: BLOCK_SOCKETS }
const SEARCH: PunchPart = { sockets: 1, targets: 'range', packetsPerSecond: STORM_PACKETS_PER_SECOND }
// Each of these packets takes the next port of our NAT, and the peer must have time to try that from all its sockets.
const SEARCH_SLOWLY: PunchPart = { ...SEARCH, packetsPerSecond: 12.5 }
const SWEEP_NEXT_PORTS: PunchPart = {
  sockets: 16,
  targets: 'sequence',
  packetsPerSecond: STORM_PACKETS_PER_SECOND,
}
const SWEEP_SEQUENCE: PunchPart = { sockets: 1, targets: 'sequence', packetsPerSecond: 100 }
// One port of ours is enough where it stays: then each of the peer's ports has to be met once, and none twice.
const SWEEP_RANGE: PunchPart = SEARCH
// A port that varies is drawn anew for each packet of another socket: sweeps may repeat.
const SWEEP_RANGE_VARYING: PunchPart = { ...SEARCH, sockets: 16 }

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
  const open = opening(opener === 'ours' ? ours : theirs, opener === 'ours' ? b : a)
  return opener === 'ours'
    ? both('birthday', open, SEARCH, STORM_MS, 1)
    : both('birthday', SEARCH, open, STORM_MS, 1)
}

/** How many ports are opened, and towards which of the searching side. */
function opening({ portAllocation }: NatBehavior, searching: Traits): PunchPart {
  const many = portAllocation === 'block' ? OPEN_BLOCK : OPEN_MANY
  return searching.isNext && !searching.isKnown ? { ...many, targets: 'next' } : many
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
  /** One public port for all destinations. */
  readonly isEim: boolean
  /** The public port towards the peer can be told before the first packet. */
  readonly isKnown: boolean
  /** The same for one packet of a fresh socket, and only for that. */
  readonly isKnownOnce: boolean
  readonly isPerPort: boolean
  readonly isSequential: boolean
  /** Towards one address it has one port, which follows the last one seen. */
  readonly isNext: boolean
  readonly isNarrow: boolean
  readonly filter: 'open' | 'address' | 'port'
}

/** What decides about one side. Public for the driver, which has to know what to announce. */
export function traitsOf({ mapping, filtering, portAllocation, ports }: NatBehavior): Traits {
  const isEim = mapping === 'none' || mapping === 'endpoint-independent'
  const isPreserving = portAllocation === 'preserving'
  const span = ports?.min !== undefined && ports.max !== undefined ? ports.max - ports.min : Infinity
  return {
    isEim,
    // Towards one address an address-dependent mapping is one port: preserved, if the NAT preserves.
    isKnown: isEim || (isPreserving && mapping === 'address-dependent'),
    isKnownOnce: isEim || isPreserving,
    isPerPort: !isEim && mapping !== 'address-dependent',
    isSequential: !isEim && portAllocation === 'sequential',
    isNext: mapping === 'address-dependent' && portAllocation === 'sequential',
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
  if (a.filter === 'port' && b.filter === 'port') return openerOfStrict(a, b)
  // A search that costs one port for each packet is not answered through a port that varies with it.
  if (a.filter !== 'port' && b.filter !== 'port') return weControl ? 'ours' : 'theirs'
  const loose = a.filter === 'port' ? 'theirs' : 'ours'
  const [open, strict] = loose === 'ours' ? [a, b] : [b, a]
  // Class D of the matrix: APDM with a loose filter against APDM/APDF.
  return open.isPerPort && strict.isPerPort ? undefined : loose
}

/** Where both filter by port, one must know where the other's packets will come from. */
function openerOfStrict(a: Traits, b: Traits): 'ours' | 'theirs' | undefined {
  if (a.isSequential && b.isSequential) return undefined
  if (a.isNext) return 'theirs'
  return b.isNext ? 'ours' : undefined
}

function searchFromBoth(a: Traits, b: Traits): PunchRecipe {
  if (a.isSequential && b.isSequential)
    return both('double-prediction', SWEEP_SEQUENCE, SWEEP_SEQUENCE, PLAIN_ROUND_MS, 4)
  if (a.isNarrow && b.isNarrow) return both('block-search', sweep(a), sweep(b), STORM_MS, 1)
  if (a.isSequential && b.isNarrow)
    return both('sequence-search', SEARCH_SLOWLY, SWEEP_NEXT_PORTS, STORM_MS, 1)
  if (b.isSequential && a.isNarrow)
    return both('sequence-search', SWEEP_NEXT_PORTS, SEARCH_SLOWLY, STORM_MS, 1)
  return { name: 'none' }
}

function sweep({ isPerPort }: Traits): PunchPart {
  return isPerPort ? SWEEP_RANGE_VARYING : SWEEP_RANGE
}
