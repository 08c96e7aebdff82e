import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'
import type { PeerId } from '../../base/peer-id.ts'
import { peerIdOfSpki } from '../certificate/certificate.ts'

/** A peer's long-term Ed25519 key (RFC 8032). The private half never leaves the process but into its key file. */
export interface KeyPair {
  readonly peerId: PeerId
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** Draws a new key. */
export function generateKeyPair(): KeyPair {
  return keyPairOf(generateKeyPairSync('ed25519').privateKey)
}

/** @throws {ReachError} ERR_REACH_KEY_FILE when it is no Ed25519 key */
export function keyPairOf(privateKey: KeyObject): KeyPair {
  const publicKey = createPublicKey(privateKey)
  const peerId = peerIdOfSpki(publicKey.export({ type: 'spki', format: 'der' }))
  if (peerId === undefined) {
    throw new ReachError(
      'ERR_REACH_KEY_FILE',
      `an identity needs an Ed25519 key, not ${privateKey.asymmetricKeyType ?? 'this'}`,
      {
        hint: 'make one with  openssl genpkey -algorithm ed25519  or let p2p-reach make it',
      },
    )
  }
  return { peerId, privateKey, publicKey }
}

/** Reads a private key of any type from PEM without a passphrase. @throws {ReachError} ERR_REACH_KEY_FILE */
export function privateKeyFromPem(pem: string, from: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const isEncrypted = pem.includes('ENCRYPTED')
    throw new ReachError('ERR_REACH_KEY_FILE', `${from} holds no private key in PEM that can be read`, {
      cause: error instanceof Error ? new Error(error.name) : undefined, // OpenSSL's text may quote the input
      hint: isEncrypted
        ? `take the passphrase away:  openssl pkey -in ${from} -out PLAIN.key`
        : 'check the file',
      details: { from },
    })
  }
}

/** A private key as PEM (PKCS #8, RFC 5958). Secret. */
export function privateKeyPem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
