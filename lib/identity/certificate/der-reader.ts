import { ByteReader } from '../../base/byte-reader.ts'
import { ReachError } from '../../base/errors.ts'

/** Tags of ASN.1 types that certificates are made of (X.690 §8). */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const

/** A context-specific tag: `[0]`, `[1]`, …; constructed ones hold other elements. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return 0x80 | (form === 'constructed' ? 0x20 : 0) | number
}

/** One element: its tag, its content, and the whole of it as it stands. All are views. */
export interface DerElement {
  readonly tag: number
  readonly content: Uint8Array
  readonly der: Uint8Array
}

/**
 * Reads DER (X.690 §10) element by element. Strict: definite and shortest lengths, one-byte tags, nothing left over.
 * Everything else is ERR_REACH_DECODE and names the field.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #reader: ByteReader
  readonly #what: string

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#reader = new ByteReader(bytes)
    this.#what = what
  }

  get isAtEnd(): boolean {
    return this.#reader.remaining === 0
  }

  /** The next element; with `tag`, it must have that one. */
  next(field: string, tag?: number): DerElement {
    const start = this.#reader.offset
    const found = this.#reader.u8(field)
    if ((found & 0x1f) === 0x1f) throw this.#wrong(field, 'a tag of several bytes')
    if (tag !== undefined && found !== tag) throw this.#wrong(field, `tag ${found}, not ${tag}`)
    const content = this.#reader.bytes(this.#length(field), field)
    return { tag: found, content, der: this.#bytes.subarray(start, this.#reader.offset) }
  }

  /** The next element when it has that tag; otherwise nothing is read. */
  optional(field: string, tag: number): DerElement | undefined {
    return this.#bytes[this.#reader.offset] === tag && !this.isAtEnd ? this.next(field, tag) : undefined
  }

  /** A reader of the content of the next element. */
  enter(field: string, tag: number = TAG.sequence): DerReader {
    return new DerReader(this.next(field, tag).content, `${this.#what}: ${field}`)
  }

  /** All elements that are left. */
  *rest(field: string): Generator<DerElement> {
    while (!this.isAtEnd) yield this.next(field)
  }

  /** @throws {ReachError} ERR_REACH_DECODE when something is left */
  end(): void {
    if (!this.isAtEnd) throw this.#wrong('end', 'bytes left over')
  }

  #length(field: string): number {
    const first = this.#reader.u8(field)
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 3) throw this.#wrong(field, 'an indefinite or huge length')
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + this.#reader.u8(field)
    if (length < 0x80 || length < 256 ** (count - 1))
      throw this.#wrong(field, 'a length that is not the shortest')
    return length
  }

  #wrong(field: string, problem: string): ReachError {
    return new ReachError('ERR_REACH_DECODE', `${this.#what}: ${field} has ${problem}`, {
      details: { field, offset: this.#reader.offset },
    })
  }
}

/** A reader of the content of one element that has been read. */
export function readInside(element: DerElement, what: string): DerReader {
  return new DerReader(element.content, what)
}
