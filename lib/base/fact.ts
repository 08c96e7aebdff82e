/**
 * How we know a fact: `measured` by packets whose answers (or proven silence) leave no other reading, `inferred` from
 * evidence that usually means it, `unknown` when evidence is short. What was not measured is unknown, never false.
 */
export type Confidence = 'measured' | 'inferred' | 'unknown'

/** One statement of a report, with what it rests on. */
export interface Fact<T> {
  readonly value: T | 'unknown'
  readonly confidence: Confidence
  /** What was seen, one sentence each, for a person who doubts. */
  readonly evidence: readonly string[]
  /** When it was known, in milliseconds since the diagnosis began. */
  readonly ms?: number
}

/** A fact that packets proved. */
export function measured<T>(value: T, ...evidence: readonly string[]): Fact<T> {
  return { value, confidence: 'measured', evidence }
}

/** A fact that the evidence usually means. */
export function inferred<T>(value: T, ...evidence: readonly string[]): Fact<T> {
  return { value, confidence: 'inferred', evidence }
}

/** A fact that evidence is too short for. */
export function unknown<T>(...evidence: readonly string[]): Fact<T> {
  return { value: 'unknown', confidence: 'unknown', evidence }
}
