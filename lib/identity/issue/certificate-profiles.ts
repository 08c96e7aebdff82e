import { randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Extension } from '@peculiar/x509'
import type { Role } from '../../base/peer-name.ts'
import type { Certificate } from '../certificate/certificate.ts'
import { CROSS_SIGNED_ROOT_URI, claimUri } from '../certificate/claim.ts'
import { EXTENDED_KEY_USAGE } from '../certificate/extensions.ts'
import type { KeyPair } from '../keys/key-pair.ts'
import { nameConstraintsExtension } from './name-constraints-extension.ts'
import type { Issuer } from './sign-certificate.ts'
import { signCertificate } from './sign-certificate.ts'
import { spkiOf } from './signing-key.ts'
import type { X509Library } from './x509-library.ts'

const DAY_MS = 86_400_000
/** Ours: the certificates of members live for a day, so that a stolen key dies by itself. */
export const LEAF_LIFETIME_MS = DAY_MS
/** Ours: a year; with the root at hand it is replaced in one step. */
export const INTERMEDIATE_LIFETIME_MS = 365 * DAY_MS
/** Ours: twenty years; roots are rotated, not renewed. */
export const ROOT_LIFETIME_MS = 20 * 365 * DAY_MS
/** As step-ca does: clocks of members may be a minute behind. */
export const BACKDATE_MS = 60_000

/** Who a leaf is for. */
export interface LeafSubject {
  readonly name: string
  readonly domain: string
  readonly roles: readonly Role[]
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
}

/** A new root for a network: signs one level of intermediates. */
export async function issueRoot(domain: string, key: KeyObject, nowMs: number): Promise<Certificate> {
  return signCertificate(
    {
      subject: `CN=p2p-reach root ${randomLabel()}, O=${domain}`,
      spki: spkiOf(key),
      serial: newSerial(),
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: nowMs + ROOT_LIFETIME_MS,
      extensions: (x509) => authorityExtensions(x509, undefined),
    },
    { privateKey: key },
  )
}

/** The intermediate that issues: no further CA below it, and no names outside the network's domain. */
export async function issueIntermediate(
  domain: string,
  spki: Uint8Array,
  root: Issuer,
  nowMs: number,
): Promise<Certificate> {
  return signCertificate(
    {
      subject: `CN=p2p-reach issuing ${randomLabel()}, O=${domain}`,
      spki,
      serial: newSerial(),
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: Math.min(nowMs + INTERMEDIATE_LIFETIME_MS, root.certificate.notAfterMs),
      extensions: (x509) => [...authorityExtensions(x509, 0), nameConstraintsExtension(x509, domain)],
    },
    root,
  )
}

/** A root signed by another: whoever trusts the other can follow to it. Says so, and so gives it all that a root may. */
export async function crossSign(root: Certificate, by: Issuer, nowMs: number): Promise<Certificate> {
  return signCertificate(
    {
      subject: root,
      spki: spkiOf(root.publicKey),
      serial: newSerial(),
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: Math.min(root.notAfterMs, by.certificate.notAfterMs),
      extensions: (x509) => [
        ...authorityExtensions(x509, undefined),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: CROSS_SIGNED_ROOT_URI }]),
      ],
    },
    by,
  )
}

/** A member's certificate. It never outlives its issuer. */
export async function issueLeaf(
  subject: LeafSubject,
  issuer: Issuer,
  nowMs: number,
  lifetimeMs = LEAF_LIFETIME_MS,
): Promise<Certificate> {
  const { name, domain, roles, spki } = subject
  return signCertificate(
    {
      subject: `CN=${name}`,
      spki,
      serial: newSerial(),
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: Math.min(nowMs + lifetimeMs, issuer.certificate.notAfterMs),
      extensions: (x509) =>
        leafExtensions(x509, [
          { type: 'dns', value: `${name}.${domain}` },
          ...roles.map((role) => ({ type: 'url' as const, value: claimUri(name, domain, role) })),
        ]),
    },
    issuer,
  )
}

/**
 * A certificate for peers that know each other by their keys alone. It vouches for nothing: the key is the identity, the
 * dates are wide.
 */
export async function selfSignedCertificate(keys: KeyPair, nowMs: number): Promise<Certificate> {
  return signCertificate(
    {
      subject: `CN=${keys.peerId}`,
      spki: spkiOf(keys.publicKey),
      serial: newSerial(),
      notBeforeMs: nowMs - DAY_MS,
      notAfterMs: nowMs + ROOT_LIFETIME_MS,
      extensions: (x509) => leafExtensions(x509, []),
    },
    { privateKey: keys.privateKey },
  )
}

function authorityExtensions(x509: X509Library, pathLength: number | undefined): readonly Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ]
}

function leafExtensions(
  x509: X509Library,
  names: readonly { readonly type: 'dns' | 'url'; readonly value: string }[],
): readonly Extension[] {
  const { clientAuth, serverAuth } = EXTENDED_KEY_USAGE
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([clientAuth, serverAuth]),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
  ]
}

/** RFC 5280 §4.1.2.2: positive and unique. 126 random bits, the first byte never zero, as DER wants it shortest. */
export function newSerial(): Uint8Array {
  const serial = Uint8Array.from(randomBytes(16))
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f)
  return serial
}

/** Tells CAs of one network apart, whose names would else be the same. */
function randomLabel(): string {
  return randomBytes(4).toString('hex')
}
