import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import type { Certificate } from '../certificate/certificate.ts'
import type { SignedStatement } from './statement.ts'
import { refusedStatement, signStatement, verifyStatement } from './statement.ts'
import type { NetworkTrust } from './trust-policy.ts'

/** One key that is refused from now on. */
export interface DeniedKey {
  /** SHA-256 of its SubjectPublicKeyInfo in hex. Not of a certificate: those can be varied (CVE-2026-25793). */
  readonly spkiSha256: string
  readonly deniedAtMs: number
  readonly reason: string
}

/** All keys that a network refuses. Numbered: a later list has a higher number, and an older one is never believed. */
export interface DenyList {
  readonly domain: string
  readonly number: number
  readonly issuedAtMs: number
  readonly keys: readonly DeniedKey[]
}

/** A list that was believed, with what proves it to others. */
export interface AcceptedDenyList extends DenyList {
  readonly statement: SignedStatement
  /** When its signer's certificate begins: lists of a younger signer replace those of an older one. */
  readonly signerSinceMs: number
  readonly denied: ReadonlySet<string>
}

/** Ours: bounds what every member keeps and every connection may bring. */
export const MAX_DENIED_KEYS = 10_000

/** Signs a list as a CA of the network. */
export function signDenyList(list: DenyList, key: KeyObject, chain: readonly Certificate[]): SignedStatement {
  return signStatement('deny-list', JSON.stringify(list), key, chain)
}

/**
 * Believes a list, or says why not. Lists of one key are ordered by number. Those of different keys are ordered by when
 * their signer's certificate begins: so a stolen intermediate cannot outnumber the one that the root puts in its place.
 * @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_DECODE
 */
export function acceptDenyList(
  statement: SignedStatement,
  network: NetworkTrust,
  current: AcceptedDenyList | undefined,
  nowMs: number,
): AcceptedDenyList {
  const isDenied = ({ spkiSha256 }: Certificate) => current?.denied.has(spkiSha256) === true
  if (statement.signer.some(isDenied))
    throw refusedStatement('deny-list', 'the key of its signer, or of one above, was revoked')
  const roots = network.roots.filter((root) => !isDenied(root))
  const signer = verifyStatement('deny-list', statement, roots, nowMs)
  const list = readDenyList(statement.payload)
  if (list.domain !== network.domain)
    throw refusedStatement('deny-list', `it is of the network ${list.domain}`)
  const signerSinceMs = signer.notBeforeMs
  const isSameKey = current?.statement.signer[0]?.spkiSha256 === signer.spkiSha256
  if (current !== undefined && !isLater({ signerSinceMs, number: list.number }, current, isSameKey)) {
    throw refusedStatement('deny-list', `its number ${list.number} is not above ${current.number}`)
  }
  const denied = new Set(list.keys.map(({ spkiSha256 }) => spkiSha256))
  return { ...list, statement, signerSinceMs, denied }
}

/** True when both are the same list, to the byte: nothing new, and no offence. */
export function isSameDenyList(statement: SignedStatement, current: AcceptedDenyList | undefined): boolean {
  return current?.statement.payload === statement.payload
}

function isLater(
  one: Pick<AcceptedDenyList, 'signerSinceMs' | 'number'>,
  other: Pick<AcceptedDenyList, 'signerSinceMs' | 'number'>,
  isSameKey: boolean,
): boolean {
  // A key may have several certificates (renewed, cross-signed), and whoever relays a list can choose among them.
  if (!isSameKey && one.signerSinceMs !== other.signerSinceMs) return one.signerSinceMs > other.signerSinceMs
  return one.number > other.number
}

function readDenyList(payload: string): DenyList {
  const reader = JsonReader.parse(payload, 'deny list')
  return {
    domain: reader.text('domain', 253),
    number: reader.count('number'),
    issuedAtMs: reader.count('issuedAtMs'),
    keys: reader.objects('keys', MAX_DENIED_KEYS).map(readDeniedKey),
  }
}

/** Also how a CA keeps them in its own files. @throws {ReachError} ERR_REACH_DECODE */
export function readDeniedKey(reader: JsonReader): DeniedKey {
  const spkiSha256 = reader.text('spkiSha256', 64)
  if (!/^[0-9a-f]{64}$/.test(spkiSha256))
    throw new ReachError('ERR_REACH_DECODE', 'a denied key is no SHA-256 in hex')
  return { spkiSha256, deniedAtMs: reader.count('deniedAtMs'), reason: reader.text('reason', 1024) }
}
