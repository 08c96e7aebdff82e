import { sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import { Certificate } from '../certificate/certificate.ts'
import { KEY_USAGE } from '../certificate/extensions.ts'
import { MAX_CHAIN_CERTIFICATES, verifyChain } from '../certificate/verify-chain.ts'

/** What a CA of a network states: the purpose stands in the signed bytes, so that none can pass for another. */
export type StatementPurpose = 'deny-list' | 'root-set'

/**
 * A text that a CA of a network has signed. The text is signed as it stands, byte for byte, so that nobody has to agree
 * on how JSON is written.
 */
export interface SignedStatement {
  readonly payload: string
  readonly signature: Uint8Array
  /** The signing CA and what leads from it to a root. */
  readonly signer: readonly Certificate[]
}

/** Signs as a CA. `chain` is its certificate and those above it, without the root if it is not the root itself. */
export function signStatement(
  purpose: StatementPurpose,
  payload: string,
  key: KeyObject,
  chain: readonly Certificate[],
): SignedStatement {
  const signature = sign(digestFor(key), signedBytes(purpose, payload), key)
  return { payload, signature: Uint8Array.from(signature), signer: chain }
}

/**
 * Who signed: a CA that leads to one of the roots, or is one, and may sign lists of what is revoked.
 * @throws {ReachError} ERR_REACH_STATEMENT when the signature or the signer does not hold
 */
export function verifyStatement(
  purpose: StatementPurpose,
  statement: SignedStatement,
  roots: readonly Certificate[],
  nowMs: number,
): Certificate {
  const [signer, ...above] = statement.signer
  if (signer === undefined) throw refusedStatement(purpose, 'nobody signed it')
  const isRoot = roots.some((root) => root.spkiSha256 === signer.spkiSha256)
  if (!isRoot) {
    const outcome = verifyChain(signer, above, roots, nowMs)
    if (outcome.kind === 'invalid')
      throw refusedStatement(purpose, `its signer does not hold: ${outcome.problem}`)
  }
  const { basicConstraints, keyUsage } = signer.extensions
  if (!basicConstraints.isCa || keyUsage?.has(KEY_USAGE.crlSign) === false) {
    throw refusedStatement(purpose, 'its signer may not sign such')
  }
  const key = signer.publicKey
  if (!verify(digestFor(key), signedBytes(purpose, statement.payload), key, statement.signature)) {
    throw refusedStatement(purpose, 'its signature is wrong')
  }
  return signer
}

/** ERR_REACH_STATEMENT for a statement that is not believed. */
export function refusedStatement(purpose: StatementPurpose, why: string): ReachError {
  return new ReachError('ERR_REACH_STATEMENT', `${WORDS[purpose]} is refused: ${why}`, {
    details: { purpose, why },
  })
}

/** A statement as JSON, for the wire and for files. */
export function statementToJson({ payload, signature, signer }: SignedStatement): StatementJson {
  return {
    payload,
    signature: Buffer.from(signature).toString('base64'),
    signer: signer.map(({ der }) => Buffer.from(der).toString('base64')),
  }
}

/** A {@link SignedStatement} as it is written in JSON: bytes in base64. */
export interface StatementJson {
  readonly payload: string
  readonly signature: string
  readonly signer: readonly string[]
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function statementFromJson(reader: JsonReader): SignedStatement {
  return {
    payload: reader.text('payload', MAX_PAYLOAD_LENGTH),
    signature: bytesFromBase64(reader.text('signature', 2048)),
    signer: reader
      .texts('signer', MAX_CHAIN_CERTIFICATES)
      .map((text) => Certificate.decode(bytesFromBase64(text))),
  }
}

/** Ours: a deny list of 10,000 keys has about 1.2 MB. */
const MAX_PAYLOAD_LENGTH = 2 * 1024 * 1024

const WORDS: Readonly<Record<StatementPurpose, string>> = {
  'deny-list': 'a deny list',
  'root-set': 'a set of roots',
}

/** The bytes of a text in base64; other characters are ignored, as Node does. */
export function bytesFromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'))
}

function signedBytes(purpose: StatementPurpose, payload: string): Uint8Array {
  return Buffer.from(`p2p-reach ${purpose} 1\0${payload}`, 'utf8')
}

/** Ed25519 hashes by itself (RFC 8032); the others sign a SHA-256. */
function digestFor(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
}
