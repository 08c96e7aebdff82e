import { webcrypto } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'
import type { PeerId } from '../../base/peer-id.ts'
import { peerIdOfSpki } from '../certificate/certificate.ts'
import type { KeyPair } from '../keys/key-pair.ts'
import { ownBytes } from './sign-certificate.ts'
import { signingKeyOf, spkiOf } from './signing-key.ts'
import { loadX509 } from './x509-library.ts'

/** Ours: a request for an Ed25519 key has some 130 bytes. */
const MAX_REQUEST_LENGTH = 4096

/**
 * A certification request (PKCS #10, RFC 2986) in DER: proves that we hold the key. It asks for no name and no role:
 * what a certificate says is for the CA to decide.
 */
export async function makeCertificateRequest(keys: KeyPair): Promise<Uint8Array> {
  const x509 = await loadX509()
  const { key, algorithm } = await signingKeyOf(keys.privateKey)
  const spki = ownBytes(spkiOf(keys.publicKey))
  const publicKey = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: `CN=${keys.peerId}`, keys: { privateKey: key, publicKey }, signingAlgorithm: algorithm },
    webcrypto,
  )
  return new Uint8Array(request.rawData)
}

/** A request whose sender has proven to hold its key. */
export interface CheckedRequest {
  readonly peerId: PeerId
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
}

/** @throws {ReachError} ERR_REACH_REQUEST_REFUSED when it is malformed, for another type of key, or its signature wrong */
export async function checkCertificateRequest(der: Uint8Array): Promise<CheckedRequest> {
  if (der.length > MAX_REQUEST_LENGTH) throw refusedRequest(`it has ${der.length} bytes`)
  const x509 = await loadX509()
  try {
    const request = new x509.Pkcs10CertificateRequest(ownBytes(der))
    const spki = new Uint8Array(request.publicKey.rawData)
    const peerId = peerIdOfSpki(spki)
    if (peerId === undefined) throw refusedRequest('it is not for an Ed25519 key')
    if (!(await request.verify(webcrypto))) throw refusedRequest('its signature is wrong')
    return { peerId, spki }
  } catch (error) {
    if (ReachError.is(error)) throw error
    throw refusedRequest('it can’t be read', error)
  }
}

function refusedRequest(why: string, cause?: unknown): ReachError {
  return new ReachError('ERR_REACH_REQUEST_REFUSED', `the certificate request is refused: ${why}`, { cause })
}
