import type { PathKind } from './path-pipe.ts'
import { PathPolicy } from './path-policy.ts'
import type { PathOption } from './path-policy.ts'

/** What is measured of paths: a link knows it. */
export interface PathMeasures {
  /** The path that carries what we send; undefined while none does. */
  readonly activePath: number | undefined
  /** A path's shortest round trip in ms; undefined before it was measured. */
  minRttMs(path: number): number | undefined
}

/** What of a path does not change by itself. */
type Candidate = Pick<PathOption, 'kind' | 'sinceMs'> & { isRetired: boolean }

/** What the policy said, and of what. */
interface Decision {
  readonly options: readonly PathOption[]
  /** Undefined: stay where we are. */
  readonly chosen: number | undefined
  /** When time alone may bring another choice. */
  readonly deadlineMs: number
  /** From then on the policy may say otherwise of the same options. */
  readonly untilMs: number
}

/**
 * Which path is to carry what we send. It is asked with every packet, while what the answer depends on changes but every
 * few seconds: so the last answer is kept until that happens.
 */
export class PathChooser {
  readonly #measures: PathMeasures
  readonly #policy: PathPolicy
  readonly #candidates = new Map<number, Candidate>()
  /** Undefined when one of the facts that we are told has changed since. */
  #last: Decision | undefined

  constructor(measures: PathMeasures, policy = new PathPolicy()) {
    this.#measures = measures
    this.#policy = policy
  }

  /** Both sides have agreed upon a path. @param isRetired any other will do better */
  add(path: number, kind: PathKind, isRetired: boolean, nowMs: number): void {
    this.#candidates.set(path, { kind, sinceMs: nowMs, isRetired })
    this.#last = undefined
  }

  /** A path can't be chosen any more. */
  remove(path: number): void {
    if (this.#candidates.delete(path)) this.#last = undefined
  }

  /** Any other than this path will do better. */
  retire(path: number): void {
    const candidate = this.#candidates.get(path)
    if (candidate === undefined || candidate.isRetired) return
    candidate.isRetired = true
    this.#last = undefined
  }

  /** A path died: the next ones of its kind are believed later. */
  lost(kind: PathKind, nowMs: number): void {
    this.#policy.lost(kind, nowMs)
    this.#last = undefined
  }

  /** True while there is something to choose. */
  get hasChoice(): boolean {
    return this.#candidates.size > 1
  }

  /** The path to send over; undefined: stay where we are. */
  choose(nowMs: number): number | undefined {
    return this.hasChoice ? this.#decision(nowMs).chosen : undefined
  }

  /** When `choose` may answer otherwise because time has passed; Infinity: never. */
  deadlineMs(nowMs: number): number {
    return this.hasChoice ? this.#decision(nowMs).deadlineMs : Infinity
  }

  #decision(nowMs: number): Decision {
    const last = this.#last
    return last !== undefined && this.#isValid(last, nowMs) ? last : (this.#last = this.#decide(nowMs))
  }

  #decide(nowMs: number): Decision {
    const { activePath } = this.#measures
    const options = [...this.#candidates].map(([id, candidate]) => ({
      ...{ id, ...candidate },
      minRttMs: this.#measures.minRttMs(id),
      isActive: id === activePath,
    }))
    const deadlineMs = this.#policy.deadlineMs(options, nowMs) ?? Infinity
    const untilMs = Math.min(deadlineMs, this.#policy.forgetsMs(nowMs) ?? Infinity)
    return { options, chosen: this.#policy.choose(options, nowMs), deadlineMs, untilMs }
  }

  /** Nothing that is measured has changed, and no time has come. */
  #isValid({ options, untilMs }: Decision, nowMs: number): boolean {
    if (nowMs >= untilMs) return false
    const { activePath } = this.#measures
    for (const { id, isActive, minRttMs } of options) {
      if (isActive !== (id === activePath) || minRttMs !== this.#measures.minRttMs(id)) return false
    }
    return true
  }
}
