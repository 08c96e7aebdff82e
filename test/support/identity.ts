import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import type { Extension } from '@peculiar/x509'
import type { ErrorCode } from '../../lib/base/errors.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { Role } from '../../lib/base/peer-name.ts'
import type { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { claimUri } from '../../lib/identity/certificate/claim.ts'
import { EXTENDED_KEY_USAGE } from '../../lib/identity/certificate/extensions.ts'
import {
  LEAF_LIFETIME_MS,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  newSerial,
} from '../../lib/identity/issue/certificate-profiles.ts'
import type { Issuer } from '../../lib/identity/issue/sign-certificate.ts'
import { signCertificate } from '../../lib/identity/issue/sign-certificate.ts'
import { spkiOf } from '../../lib/identity/issue/signing-key.ts'
import type { X509Library } from '../../lib/identity/issue/x509-library.ts'
import type { KeyPair } from '../../lib/identity/keys/key-pair.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import type { TlsCredentials } from '../../lib/identity/tls/tls-options.ts'

/** When tests take place: what test/unit/net/support/fake-clock.ts says it is at first. */
export const NOW_MS = 1_700_000_001_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** A network with its keys: a root, and the intermediate that issues. */
export interface TestNetwork {
  readonly domain: string
  readonly root: Certificate
  readonly rootIssuer: Issuer
  readonly intermediate: Certificate
  readonly issuer: Issuer
}

/** A new network; `nowMs` is when it was made. */
export async function aNetwork(domain = 'net.example', nowMs = NOW_MS - DAY_MS): Promise<TestNetwork> {
  const rootKeys = generateKeyPair()
  const root = await issueRoot(domain, rootKeys.privateKey, nowMs)
  return withIntermediate(domain, { certificate: root, privateKey: rootKeys.privateKey }, nowMs)
}

/** A network below a root that is there already. */
export async function withIntermediate(
  domain: string,
  rootIssuer: Issuer,
  nowMs = NOW_MS - DAY_MS,
): Promise<TestNetwork> {
  const keys = generateKeyPair()
  const intermediate = await issueIntermediate(domain, spkiOf(keys.publicKey), rootIssuer, nowMs)
  const issuer = { certificate: intermediate, privateKey: keys.privateKey }
  return { domain, root: rootIssuer.certificate, rootIssuer, intermediate, issuer }
}

/** A member with its key and what it shows in handshakes. */
export interface TestMember {
  readonly keys: KeyPair
  readonly leaf: Certificate
  readonly chain: readonly Certificate[]
  readonly credentials: TlsCredentials
}

export interface MemberOptions {
  readonly name?: string
  readonly domain?: string
  readonly roles?: readonly Role[]
  readonly issuedAtMs?: number
  readonly lifetimeMs?: number
  readonly keys?: KeyPair
  /** Those that follow the leaf. Default: the intermediate. */
  readonly above?: readonly Certificate[]
}

/** A member of a network, enrolled an hour ago. */
export async function aMember(network: TestNetwork, options: MemberOptions = {}): Promise<TestMember> {
  const { name = 'alice', domain = network.domain, roles = ['peer'], keys = generateKeyPair() } = options
  const { issuedAtMs = NOW_MS - HOUR_MS, lifetimeMs = LEAF_LIFETIME_MS } = options
  const subject = { name, domain, roles, spki: spkiOf(keys.publicKey) }
  const leaf = await issueLeaf(subject, network.issuer, issuedAtMs, lifetimeMs)
  return memberOf(keys, [leaf, ...(options.above ?? [network.intermediate])])
}

/** A member that shows this chain. */
export function memberOf(keys: KeyPair, chain: readonly Certificate[]): TestMember {
  const [leaf] = chain
  if (leaf === undefined) throw new RangeError('a member shows at least its own certificate')
  return { keys, leaf, chain, credentials: { chain, privateKey: keys.privateKey } }
}

export interface CertificateOptions {
  readonly subject?: string | Certificate
  /** Whose certificate it is. Default: a new Ed25519 key. */
  readonly key?: KeyObject
  /** Who signs. Default: `key` itself. */
  readonly issuer?: Issuer
  /** A CA, with that path length. Default: none. */
  readonly ca?: { readonly pathLength?: number }
  /** Default: what fits the certificate. `false`: no such extension. */
  readonly keyUsage?: readonly ('digitalSignature' | 'keyCertSign' | 'cRLSign')[] | false
  readonly purposes?: readonly string[] | false
  readonly dns?: readonly string[]
  readonly uris?: readonly string[]
  readonly emails?: readonly string[]
  readonly extensions?: (x509: X509Library) => readonly Extension[]
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
}

/** Any certificate at all, with the key that it is for. */
export async function aCertificate(options: CertificateOptions = {}): Promise<Issuer> {
  const { key = newKey('ed25519'), issuer, ca, dns = [], uris = [], emails = [] } = options
  const isCa = ca !== undefined
  const keyUsage =
    options.keyUsage ?? (isCa ? (['keyCertSign', 'cRLSign'] as const) : (['digitalSignature'] as const))
  const { clientAuth, serverAuth } = EXTENDED_KEY_USAGE
  const purposes = options.purposes ?? (isCa ? false : [clientAuth, serverAuth])
  const names = [
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...emails.map((value) => ({ type: 'email' as const, value })),
  ]
  const certificate = await signCertificate(
    {
      subject: options.subject ?? `CN=test ${Buffer.from(newSerial()).toString('hex')}`,
      spki: spkiOf(key),
      serial: newSerial(),
      notBeforeMs: options.notBeforeMs ?? NOW_MS - DAY_MS,
      notAfterMs: options.notAfterMs ?? NOW_MS + DAY_MS,
      extensions: (x509) => [
        new x509.BasicConstraintsExtension(isCa, ca?.pathLength, true),
        ...(keyUsage === false ? [] : [keyUsageExtension(x509, keyUsage)]),
        ...(purposes === false ? [] : [new x509.ExtendedKeyUsageExtension([...purposes])]),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
        ...(options.extensions?.(x509) ?? []),
      ],
    },
    issuer ?? { privateKey: key },
  )
  return { certificate, privateKey: key }
}

/** RFC 5280 §4.2.1.3, as the bits stand in the first byte. */
const KEY_USAGE_BITS = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const

function keyUsageExtension(x509: X509Library, usages: readonly (keyof typeof KEY_USAGE_BITS)[]): Extension {
  const bits = usages.reduce((all, one) => all | KEY_USAGE_BITS[one], 0)
  const unused = [0, 1, 2, 3, 4, 5, 6, 7].find((bit) => (bits & (1 << bit)) !== 0) ?? 0
  return new x509.Extension('2.5.29.15', true, Uint8Array.from(der(0x03, Uint8Array.of(unused, bits))))
}

/** The names that make a certificate one of a member. */
export function memberNames(
  name: string,
  domain: string,
  roles: readonly Role[] = ['peer'],
): { readonly dns: readonly string[]; readonly uris: readonly string[] } {
  return { dns: [`${name}.${domain}`], uris: roles.map((role) => claimUri(name, domain, role)) }
}

export type KeyType = 'ed25519' | 'P-256' | 'P-384' | 'RSA-2048'

/** A private key of any type. */
export function newKey(type: KeyType): KeyObject {
  switch (type) {
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey
    case 'RSA-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    default:
      return generateKeyPairSync('ec', { namedCurve: type }).privateKey
  }
}

/** One element of DER by hand. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Uint8Array.of(tag, ...size, ...content)
}

/** The ReachError that `action` throws; fails when it throws none, or another. */
export function refusal(
  t: ExecutionContext,
  action: () => unknown,
  code: ErrorCode,
  message?: RegExp,
): ReachError {
  return refusedWith(t, t.throws(action, undefined, `should fail with ${code}`), code, message)
}

/** The same of a promise. */
export async function rejection(
  t: ExecutionContext,
  action: Promise<unknown>,
  code: ErrorCode,
  message?: RegExp,
): Promise<ReachError> {
  return refusedWith(t, await t.throwsAsync(action, undefined, `should fail with ${code}`), code, message)
}

function refusedWith(t: ExecutionContext, error: unknown, code: ErrorCode, message?: RegExp): ReachError {
  if (!ReachError.is(error)) {
    t.fail(`${String(error)} is no ReachError`)
    throw error
  }
  t.is(error.code, code, error.message)
  if (message !== undefined) t.regex(error.message, message)
  return error
}
