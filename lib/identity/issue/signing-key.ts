import { createPublicKey, webcrypto } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'

/** A private key in the form that the X.509 library signs with. */
export interface SigningKey {
  readonly key: webcrypto.CryptoKey
  readonly algorithm: SigningAlgorithm
}

type SigningAlgorithm =
  | { readonly name: 'Ed25519' }
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string }

/** Curves as OpenSSL names them, with the hash that fits (FIPS 186-5 §6.1.1: no weaker than the curve). */
const CURVES: ReadonlyMap<string, { readonly namedCurve: string; readonly hash: string }> = new Map([
  ['prime256v1', { namedCurve: 'P-256', hash: 'SHA-256' }],
  ['secp384r1', { namedCurve: 'P-384', hash: 'SHA-384' }],
  ['secp521r1', { namedCurve: 'P-521', hash: 'SHA-512' }],
])
/** CA/Browser Forum baseline requirements §6.1.5. */
const MIN_RSA_BITS = 2048

/** @throws {ReachError} ERR_REACH_KEY_FILE for a key that can't sign certificates here */
export async function signingKeyOf(privateKey: KeyObject): Promise<SigningKey> {
  const algorithm = algorithmOf(privateKey)
  const der = privateKey.export({ type: 'pkcs8', format: 'der' })
  return { key: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']), algorithm }
}

/** The SubjectPublicKeyInfo in DER of a private or public key. */
export function spkiOf(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SigningAlgorithm {
  if (asymmetricKeyType === 'ed25519') return { name: 'Ed25519' }
  const curve = CURVES.get(asymmetricKeyDetails?.namedCurve ?? '')
  if (asymmetricKeyType === 'ec' && curve !== undefined) return { name: 'ECDSA', ...curve }
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS) {
    return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  }
  throw new ReachError(
    'ERR_REACH_KEY_FILE',
    `a ${asymmetricKeyType ?? 'strange'} key can't issue certificates`,
    {
      hint: `use Ed25519, EC (P-256, P-384, P-521), or RSA of at least ${MIN_RSA_BITS} bits`,
    },
  )
}
