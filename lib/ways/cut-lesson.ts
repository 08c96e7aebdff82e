/** Ours: shorter silence than this is no reason for anybody to cut: something else has happened. */
const MIN_SILENCE_MS = 2000
/** Ours: two cuts after the same silence, give or take, are a timer and not a coincidence. */
const MIN_TOLERANCE_MS = 1500
const TOLERANCE = 0.25

/** Learns from connections that are cut how much silence the way there bears. */
export class CutLesson {
  #lastSilenceMs: number | undefined

  /** A connection was cut after so much silence. Answers how often to speak from now on, once that can be told. */
  wasCut(silenceMs: number): number | undefined {
    if (silenceMs < MIN_SILENCE_MS) return undefined
    const last = this.#lastSilenceMs
    this.#lastSilenceMs = silenceMs
    if (last === undefined) return undefined
    const tolerance = Math.max(MIN_TOLERANCE_MS, TOLERANCE * last)
    if (Math.abs(silenceMs - last) > tolerance) return undefined
    return Math.round(Math.min(silenceMs, last) / 2)
  }
}
