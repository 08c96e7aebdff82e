import { ReachError } from './errors.ts'

/**
 * Reads fields out of parsed JSON; what is missing or of another kind is ERR_REACH_DECODE and names the field. Fields
 * that nobody asks for are ignored, so that later versions can add some.
 */
export class JsonReader {
  readonly #fields: Readonly<Record<string, unknown>>
  readonly #what: string

  private constructor(fields: Readonly<Record<string, unknown>>, what: string) {
    this.#fields = fields
    this.#what = what
  }

  /** Parses a JSON object. `what` names it in errors. @throws {ReachError} ERR_REACH_DECODE */
  static parse(text: string, what: string): JsonReader {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw new ReachError('ERR_REACH_DECODE', `${what} is no JSON`, { cause: error })
    }
    return JsonReader.of(value, what)
  }

  /** Wraps a value that must be an object. @throws {ReachError} ERR_REACH_DECODE */
  static of(value: unknown, what: string): JsonReader {
    if (!isRecord(value)) throw new ReachError('ERR_REACH_DECODE', `${what} is no JSON object`)
    return new JsonReader(value, what)
  }

  text(field: string, maxLength = MAX_TEXT_LENGTH): string {
    const value = this.#get(field)
    if (typeof value !== 'string' || value.length > maxLength) throw this.#wrong(field, 'a text')
    return value
  }

  /** A whole number from 0 to 2^53 − 1. */
  count(field: string): number {
    const value = this.#get(field)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.#wrong(field, 'a whole number')
    }
    return value
  }

  /** A whole number of either sign, at most 2^53 − 1 in size. */
  integer(field: string): number {
    const value = this.#get(field)
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.#wrong(field, 'a whole number')
    return value
  }

  flag(field: string): boolean {
    const value = this.#get(field)
    if (typeof value !== 'boolean') throw this.#wrong(field, 'true or false')
    return value
  }

  /** A list of texts. */
  texts(field: string, maxItems = MAX_ITEMS): readonly string[] {
    return this.#list(field, maxItems).map((item) => {
      if (typeof item !== 'string' || item.length > MAX_TEXT_LENGTH)
        throw this.#wrong(field, 'a list of texts')
      return item
    })
  }

  /** A list of whole numbers from 0 to 2^53 − 1. */
  counts(field: string, maxItems = MAX_ITEMS): readonly number[] {
    return this.#list(field, maxItems).map((item) => {
      if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < 0)
        throw this.#wrong(field, 'a list of whole numbers')
      return item
    })
  }

  /** A list of objects. */
  objects(field: string, maxItems = MAX_ITEMS): readonly JsonReader[] {
    return this.#list(field, maxItems).map((item) =>
      JsonReader.of(item, `${this.#what}: an item of ${field}`),
    )
  }

  object(field: string): JsonReader {
    return JsonReader.of(this.#get(field), `${this.#what}: ${field}`)
  }

  /** The names and values of an object that is used as a table. */
  table(field: string): readonly (readonly [string, JsonReader])[] {
    const value = this.#get(field)
    if (!isRecord(value)) throw this.#wrong(field, 'an object')
    return Object.entries(value).map(([key, item]) => [
      key,
      JsonReader.of(item, `${this.#what}: ${field}.${key}`),
    ])
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#fields, field) && this.#fields[field] !== null
  }

  /** What `read` makes of the field; undefined when the field is absent or null. */
  optional<T>(field: string, read: (reader: this) => T): T | undefined {
    return this.has(field) ? read(this) : undefined
  }

  #get(field: string): unknown {
    return Object.hasOwn(this.#fields, field) ? this.#fields[field] : undefined
  }

  #list(field: string, maxItems: number): readonly unknown[] {
    const value = this.#get(field)
    if (!Array.isArray(value) || value.length > maxItems)
      throw this.#wrong(field, `a list of at most ${maxItems}`)
    return value
  }

  #wrong(field: string, wanted: string): ReachError {
    const has = Object.hasOwn(this.#fields, field)
    return new ReachError(
      'ERR_REACH_DECODE',
      `${this.#what}: ${field} ${has ? `is not ${wanted}` : 'is missing'}`,
      {
        details: { field },
      },
    )
  }
}

/** Ours: bounds what one field may hold; a chain of certificates in PEM stays far below it. */
const MAX_TEXT_LENGTH = 1024 * 1024
const MAX_ITEMS = 65_536

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
