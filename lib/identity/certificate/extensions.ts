import { ReachError } from '../../base/errors.ts'
import type { DerElement } from './der-reader.ts'
import { DerReader, TAG, contextTag, readInside } from './der-reader.ts'
import { readAscii, readBoolean, readNamedBits, readOid, readSmallInteger } from './der-values.ts'

/** Extensions that path validation understands (RFC 5280 §4.2.1); a critical one besides these refuses a certificate. */
export const EXTENSION_OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const

/** RFC 5280 §4.2.1.3: positions in the KeyUsage bit string. */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const
/** RFC 5280 §4.2.1.12. */
export const EXTENDED_KEY_USAGE = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  any: '2.5.29.37.0',
} as const

/** RFC 5280 §4.2.1.9. */
export interface BasicConstraints {
  readonly isCa: boolean
  /** How many intermediates may stand below. Undefined: any number. */
  readonly pathLength: number | undefined
}

/** The alternative names of a subject (RFC 5280 §4.2.1.6). */
export interface AlternativeNames {
  readonly dns: readonly string[]
  readonly uris: readonly string[]
  /** How many names of other types there are, by the number of their type. */
  readonly otherTypes: readonly number[]
}

/** RFC 5280 §4.2.1.10. Types besides DNS and URI are listed by number only: what is not understood must refuse. */
export interface NameConstraints {
  readonly permitted: ConstrainedNames
  readonly excluded: ConstrainedNames
}

/** The subtrees of one side of a {@link NameConstraints}. */
export type ConstrainedNames = AlternativeNames

/** What the extensions of a certificate say. */
export interface Extensions {
  readonly basicConstraints: BasicConstraints
  readonly keyUsage: ReadonlySet<number> | undefined
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly names: AlternativeNames
  readonly nameConstraints: NameConstraints | undefined
  /** Critical ones that this code does not know. */
  readonly unknownCritical: readonly string[]
}

const NO_NAMES: AlternativeNames = { dns: [], uris: [], otherTypes: [] }
/** Ours: a certificate of a network has two names; more than this is an attack on our time. */
const MAX_NAMES = 256

/** Reads an Extensions SEQUENCE. @throws {ReachError} ERR_REACH_DECODE, also when one stands there twice */
export function readExtensions(list: DerReader): Extensions {
  const values = new Map<string, { readonly isCritical: boolean; readonly value: Uint8Array }>()
  for (const element of list.rest('extension')) {
    const reader = readInside(element, 'extension')
    const oid = readOid(reader.next('id', TAG.oid))
    const critical = reader.optional('critical', TAG.boolean)
    const { content } = reader.next('value', TAG.octetString)
    reader.end()
    if (values.has(oid)) throw new ReachError('ERR_REACH_DECODE', `the extension ${oid} stands there twice`)
    values.set(oid, { isCritical: critical !== undefined && readBoolean(critical), value: content })
  }
  const known: ReadonlySet<string> = new Set(Object.values(EXTENSION_OID))
  const read = <T>(name: keyof typeof EXTENSION_OID, reader: (value: DerReader) => T): T | undefined => {
    const found = values.get(EXTENSION_OID[name])
    if (found === undefined) return undefined
    const value = new DerReader(found.value, name)
    const result = reader(value)
    value.end()
    return result
  }
  return {
    basicConstraints: read('basicConstraints', readBasicConstraints) ?? {
      isCa: false,
      pathLength: undefined,
    },
    keyUsage: read('keyUsage', (value) => readNamedBits(value.next('bits', TAG.bitString))),
    extendedKeyUsage: read('extendedKeyUsage', readOids),
    names: read('subjectAltName', (value) => readNames(value.enter('names'))) ?? NO_NAMES,
    nameConstraints: read('nameConstraints', readNameConstraints),
    unknownCritical: [...values].flatMap(([oid, { isCritical }]) =>
      isCritical && !known.has(oid) ? [oid] : [],
    ),
  }
}

function readBasicConstraints(value: DerReader): BasicConstraints {
  const reader = value.enter('constraints')
  const isCa = reader.optional('cA', TAG.boolean)
  const pathLength = reader.optional('pathLen', TAG.integer)
  reader.end()
  return {
    isCa: isCa !== undefined && readBoolean(isCa),
    pathLength: pathLength === undefined ? undefined : readSmallInteger(pathLength),
  }
}

function readOids(value: DerReader): readonly string[] {
  return [...value.enter('purposes').rest('purpose')].map(readOid)
}

function readNames(reader: DerReader): AlternativeNames {
  return namesOf(reader.rest('name'))
}

/** RFC 5280 §4.2.1.6: dNSName is [2], uniformResourceIdentifier [6]. */
function namesOf(elements: Iterable<DerElement>): AlternativeNames {
  const dns: string[] = []
  const uris: string[] = []
  const otherTypes: number[] = []
  for (const element of elements) {
    if (dns.length + uris.length + otherTypes.length >= MAX_NAMES) {
      throw new ReachError('ERR_REACH_DECODE', `a certificate has more than ${MAX_NAMES} names`)
    }
    if (element.tag === contextTag(2, 'primitive')) dns.push(readAscii(element).toLowerCase())
    else if (element.tag === contextTag(6, 'primitive')) uris.push(readAscii(element))
    else otherTypes.push(element.tag & 0x1f)
  }
  return { dns, uris, otherTypes }
}

function readNameConstraints(value: DerReader): NameConstraints {
  const reader = value.enter('constraints')
  const permitted = reader.optional('permitted', contextTag(0, 'constructed'))
  const excluded = reader.optional('excluded', contextTag(1, 'constructed'))
  reader.end()
  return { permitted: subtreesOf(permitted), excluded: subtreesOf(excluded) }
}

function subtreesOf(element: DerElement | undefined): ConstrainedNames {
  if (element === undefined) return NO_NAMES
  const bases: DerElement[] = []
  for (const subtree of readInside(element, 'subtrees').rest('subtree')) {
    const reader = readInside(subtree, 'subtree')
    bases.push(reader.next('base'))
    // RFC 5280 §4.2.1.10: minimum is 0, hence absent in DER, and maximum absent.
    reader.end()
  }
  return namesOf(bases)
}
