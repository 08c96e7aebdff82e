import type { Confidence, Fact } from '../../lib/index.ts'

/** How a value bears on reaching peers; never told by colour alone. */
export type Tone = 'good' | 'fair' | 'bad' | 'plain' | 'unknown'

/** A value in words. */
export interface Wording {
  /** The value, in the report's own word where it has one. */
  readonly value: string
  /** A few words for somebody who does not know that word. */
  readonly meaning?: string
  readonly tone: Tone
}

/** One statement of the report as both renderings show it. Texts are raw: the renderings make them safe. */
export interface FactLine extends Wording {
  readonly name: string
  /** Undefined for what was read rather than probed, such as interfaces. */
  readonly confidence: Confidence | undefined
  readonly evidence: readonly string[]
  readonly ms?: number
  /** Belongs to the line above it. */
  readonly isDetail?: boolean
}

export interface FactGroup {
  readonly title: string
  readonly lines: readonly FactLine[]
}

/** The word for what is unknown, everywhere. */
export const NOT_KNOWN = 'not known'
/** The mark for what is inferred, everywhere. */
export const PROBABLY = '(probably)'

/** A fact as a line; `say` is only asked about known values, so that unknown never reads as false. */
export function factLine<T>(name: string, fact: Fact<T>, say: (value: T) => Wording): FactLine {
  const { confidence, evidence, value } = fact
  const rest = { name, confidence, evidence, ...(fact.ms === undefined ? {} : { ms: fact.ms }) }
  if (value !== 'unknown') return { ...say(value), ...rest }
  const [reason, ...others] = evidence
  return {
    ...rest,
    value: NOT_KNOWN,
    meaning: reason ?? 'it was not measured',
    tone: 'unknown',
    evidence: others,
  }
}

/** A yes-or-no fact as a line. */
export function yesNoLine(
  name: string,
  fact: Fact<boolean>,
  words: { readonly yes: Omit<Wording, 'value'>; readonly no: Omit<Wording, 'value'> },
): FactLine {
  return factLine(name, fact, (value) => ({
    value: value ? 'yes' : 'no',
    ...(value ? words.yes : words.no),
  }))
}

/** What was read from the system, without doubt and without evidence. */
export function plainLine(name: string, value: string, meaning?: string): FactLine {
  return {
    name,
    value,
    tone: 'plain',
    confidence: undefined,
    evidence: [],
    ...(meaning === undefined ? {} : { meaning }),
  }
}
