import { ReachError } from '../../base/errors.ts'
import type { DerElement } from './der-reader.ts'
import { TAG } from './der-reader.ts'

/** An OBJECT IDENTIFIER as dotted numbers (X.690 §8.19). */
export function readOid({ content }: DerElement): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    if (arc === 0 && byte === 0x80) throw wrong('an object identifier has a leading zero')
    if (arc > 2 ** 45) throw wrong('an object identifier has a huge number')
    arc = arc * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    arcs.push(arc)
    arc = 0
  }
  const [first] = arcs
  if (first === undefined || (content.at(-1) ?? 0) >= 0x80) throw wrong('an object identifier is cut off')
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - top * 40, ...arcs.slice(1)].join('.')
}

/** DER knows one spelling of true (X.690 §11.1). */
export function readBoolean({ content }: DerElement): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
    throw wrong('a boolean is not 00 or ff')
  return content[0] === 0xff
}

/** A small INTEGER that is not negative. */
export function readSmallInteger({ content }: DerElement): number {
  if (content.length === 0 || content.length > 4 || (content[0] ?? 0) >= 0x80)
    throw wrong('a number is out of range')
  // X.690 §8.3.2: the shortest form only.
  if (content.length > 1 && content[0] === 0 && (content[1] ?? 0) < 0x80)
    throw wrong('a number has a leading zero')
  return content.reduce((value, byte) => value * 256 + byte, 0)
}

/** Text of printable ASCII; names in certificates are IA5Strings (RFC 5280 §4.2.1.6). */
export function readAscii({ content }: DerElement): string {
  if (!content.every((byte) => byte >= 0x20 && byte < 0x7f)) throw wrong('a name is not printable ASCII')
  return String.fromCharCode(...content)
}

/** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 wants them (seconds, Zulu), in milliseconds since 1970. */
export function readTime({ tag, content }: DerElement): number {
  const text = String.fromCharCode(...content)
  const match = (
    tag === TAG.utcTime ? UTC_TIME : tag === TAG.generalizedTime ? GENERALIZED_TIME : NEVER
  ).exec(text)
  if (match === null) throw wrong('a time has another form')
  const [, year = '', month = '', day = '', hour = '', minute = '', second = ''] = match
  // RFC 5280 §4.1.2.5.1: two digits from 50 on are of the last century.
  const century = year.length === 4 ? '' : Number(year) >= 50 ? '19' : '20'
  const iso = `${century}${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const timeMs = Date.parse(iso)
  // Date.parse takes February 31 for March 3.
  if (Number.isNaN(timeMs) || new Date(timeMs).toISOString() !== iso) throw wrong('a time does not exist')
  return timeMs
}

/** The positions of the ones in a BIT STRING of named bits (X.690 §8.6). */
export function readNamedBits({ content }: DerElement): ReadonlySet<number> {
  const unused = content[0] ?? 8
  if (unused > 7 || (unused > 0 && content.length === 1)) throw wrong('a bit string is cut off')
  // X.690 §11.2.1.
  if (((content.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0) throw wrong('a bit string has surplus bits')
  const bits = new Set<number>()
  content.subarray(1).forEach((byte, index) => {
    for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) bits.add(index * 8 + bit)
  })
  return bits
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const NEVER = /$^/

function wrong(message: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', message)
}
