import { isDirect } from './path-pipe.ts'
import type { PathKind } from './path-pipe.ts'

/** A path that could carry what we send. */
export interface PathOption {
  readonly id: number
  readonly kind: PathKind
  /**
   * Shortest round trip in ms; undefined until something that we sent was answered over it. Not the smoothed one: a path
   * that carries data has full queues, and would look longer than the relay that is idle.
   */
  readonly minRttMs: number | undefined
  /** Since when it could be used, in monotonic ms. */
  readonly sinceMs: number
  readonly isActive: boolean
  /** Any other will do better. */
  readonly isRetired?: boolean
}

/**
 * Higher is better. Kernel TCP carries eight times what TLS over udx does at a seventh of the processor's time; what a
 * relay carries costs its operator.
 */
const RANK: Readonly<Record<PathKind, number>> = { 'direct-tcp': 3, 'direct-udp': 2, relay: 1, ssh: 1 }

/** Ours: a path of a better kind is passed over when its round trip is so much longer: it leads through a detour. */
const DETOUR_FACTOR = 2
const DETOUR_MS = 50
/** Ours: a path of the same kind must be so much faster: less is noise, and each change sends some bytes twice. */
const GAIN_FACTOR = 0.7
const GAIN_MS = 5
/** Ours: how long losses of direct paths are remembered, and how long the next one must live before it is believed. */
const MEMORY_MS = 120_000
const PROBATION_MS = [0, 1000, 4000, 10_000, 30_000] as const

/**
 * Which path carries what we send. Both sides decide for themselves: a path that answers works in both directions.
 * A pure function of what is known, but for the memory of losses: who flaps is believed later each time.
 */
export class PathPolicy {
  #lossesMs: number[] = []

  /** A direct path died. */
  lost(kind: PathKind, nowMs: number): void {
    if (!isDirect({ kind })) return
    this.#lossesMs = [...this.#recent(nowMs), nowMs].slice(-PROBATION_MS.length)
  }

  /** The path to send over; undefined: stay where we are. */
  choose(options: readonly PathOption[], nowMs: number): number | undefined {
    const active = options.find(({ isActive }) => isActive)
    const usable = options.filter((option) => option === active || this.#isTrusted(option, nowMs))
    const best = usable.reduce<PathOption | undefined>(
      (a, b) => (a === undefined || isBetter(b, a) ? b : a),
      active,
    )
    return best === undefined || best === active ? undefined : best.id
  }

  /** When `choose` may answer otherwise because time has passed; undefined: never. */
  deadlineMs(options: readonly PathOption[], nowMs: number): number | undefined {
    const dues = options
      .filter((option) => !option.isActive && option.minRttMs !== undefined)
      .map((option) => option.sinceMs + this.#probationMs(option.kind, nowMs))
      .filter((dueMs) => dueMs > nowMs)
    return dues.length === 0 ? undefined : Math.min(...dues)
  }

  /** When a loss will be forgotten, which makes probations shorter; undefined while none is remembered. */
  forgetsMs(nowMs: number): number | undefined {
    const [oldestMs] = this.#recent(nowMs)
    return oldestMs === undefined ? undefined : oldestMs + MEMORY_MS
  }

  #isTrusted({ kind, minRttMs, sinceMs }: PathOption, nowMs: number): boolean {
    return minRttMs !== undefined && nowMs >= sinceMs + this.#probationMs(kind, nowMs)
  }

  #probationMs(kind: PathKind, nowMs: number): number {
    if (!isDirect({ kind })) return 0
    const losses = Math.min(this.#recent(nowMs).length, PROBATION_MS.length - 1)
    return PROBATION_MS[losses] ?? 0
  }

  #recent(nowMs: number): readonly number[] {
    return this.#lossesMs.filter((ms) => nowMs - ms < MEMORY_MS)
  }
}

function isBetter(one: PathOption, than: PathOption): boolean {
  if ((one.isRetired ?? false) !== (than.isRetired ?? false)) return than.isRetired === true
  const [rtt, other] = [one.minRttMs ?? Infinity, than.minRttMs ?? Infinity]
  if (RANK[one.kind] > RANK[than.kind]) return !isDetour(rtt, other)
  if (RANK[one.kind] < RANK[than.kind]) return isDetour(other, rtt)
  return rtt < other * GAIN_FACTOR - GAIN_MS
}

/** False while the other's round trip is not known: then the kind decides. */
function isDetour(rttMs: number, otherMs: number): boolean {
  return Number.isFinite(otherMs) && rttMs > otherMs * DETOUR_FACTOR + DETOUR_MS
}
