import type { Clock } from '../lib/base/runtime.ts'
import { sourceOf } from './source.ts'
import { SourceQuota } from './source-quota.ts'

/** How much those may cost who have proven nothing. */
export interface AdmissionLimits {
  /** From the accept to the proof: of a member's key, or of a ticket. */
  readonly timeoutMs: number
  readonly max: number
  readonly maxPerSource: number
}

/** Defaults of {@link AdmissionLimits}. */
export const admissionLimits: AdmissionLimits = Object.freeze({
  // Ours: connect, TLS and proof take five round trips; one of a second each, twice over.
  timeoutMs: 10_000,
  // Ours: one in the middle of TLS costs some 50 KiB: 200 MiB at the very most.
  max: 4096,
  // Ours: a fleet of a thousand behind one address comes back at once after a restart.
  maxPerSource: 1024,
})

/** As much of a socket as its admission needs. */
export interface Admitted {
  readonly remoteAddress?: string | undefined
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

/** A connection that has proven nothing yet. */
export interface Newcomer {
  /** Where it comes from, for limits. */
  readonly source: string
  /** The IP at its other end, where it has one. */
  readonly ip: string | undefined
  /** It has said something: newer ones don't push it out any more. */
  spoke(): void
  /** It speaks something that needs no proof and limits its own time; it counts until it is closed. */
  timesItself(): void
  /** What it carries now needs a proof after all: the deadline begins anew. */
  mustProve(): void
  /** It belongs here: it counts no more. */
  proven(): void
}

/**
 * Connections from their accept to their proof. All of that has one deadline. Where a source has too many, or all have,
 * the oldest one that has said nothing makes room: who means it says something within a round trip. Where all have said
 * something, the new one is closed, and those that are under way can end.
 */
export class Admission {
  readonly #clock: Clock
  readonly #limits: AdmissionLimits
  readonly #quota: SourceQuota
  /** Oldest first. */
  readonly #silent = new Set<Silent>()
  /** Source → those of it that are silent, oldest first. */
  readonly #silentOf = new Map<string, Set<Silent>>()

  constructor(clock: Clock, limits: Partial<AdmissionLimits> = {}) {
    this.#clock = clock
    this.#limits = { ...admissionLimits, ...limits }
    this.#quota = new SourceQuota(this.#limits.max, this.#limits.maxPerSource)
  }

  /** Connections that have proven nothing. */
  get size(): number {
    return this.#quota.size
  }

  /** Undefined when there was no room: the connection is closed. */
  admit(socket: Admitted): Newcomer | undefined {
    const source = sourceOf(socket.remoteAddress)
    this.#makeRoom(source)
    const release = this.#quota.take(source)
    if (release === undefined) {
      socket.destroy()
      return undefined
    }
    const silent: Silent = { socket, source, release }
    this.#silent.add(silent)
    this.#silentAt(source).add(silent)
    const start = () => this.#clock.setTimer(this.#limits.timeoutMs, () => socket.destroy())
    let timer = start()
    const spoke = () => this.#forget(silent)
    const proven = () => {
      spoke()
      timer.cancel()
      release()
    }
    socket.once('close', proven)
    const mustProve = () => {
      timer.cancel()
      timer = start()
    }
    return { source, ip: socket.remoteAddress, spoke, proven, timesItself: () => timer.cancel(), mustProve }
  }

  #makeRoom(source: string): void {
    const from = this.#quota.isFullFor(source)
      ? this.#silentOf.get(source)
      : this.#quota.isFull
        ? this.#silent
        : undefined
    for (const oldest of from ?? []) {
      this.#forget(oldest)
      oldest.release() // its 'close' comes later
      oldest.socket.destroy()
      return
    }
  }

  #silentAt(source: string): Set<Silent> {
    const known = this.#silentOf.get(source)
    if (known !== undefined) return known
    const silent = new Set<Silent>()
    this.#silentOf.set(source, silent)
    return silent
  }

  #forget(silent: Silent): void {
    this.#silent.delete(silent)
    const same = this.#silentOf.get(silent.source)
    if (same?.delete(silent) === true && same.size === 0) this.#silentOf.delete(silent.source)
  }
}

interface Silent {
  readonly socket: Admitted
  readonly source: string
  readonly release: () => void
}
