import { sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'
import { fromBase64, toBase64 } from '../../base/base64.ts'
import type { WireStatement } from '../../protocol/relay/wire-statement.ts'
import { Certificate } from '../certificate/certificate.ts'
import { KEY_USAGE } from '../certificate/extensions.ts'
import { verifyChain } from '../certificate/verify-chain.ts'

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
 * Who signed: a CA that leads to one of the roots, or is one, and may sign lists of what is revoked. Of a root, the
 * certificate that we trust is answered, whichever was presented.
 * @throws {ReachError} ERR_REACH_STATEMENT when the signature or the signer does not hold
 */
export function verifyStatement(
  purpose: StatementPurpose,
  statement: SignedStatement,
  roots: readonly Certificate[],
  nowMs: number,
): Certificate {
  const [presented, ...above] = statement.signer
  if (presented === undefined) throw refusedStatement(purpose, 'nobody signed it')
  // The root as we know it: what else is presented for its key may be anybody's, and is not verified.
  const root = roots.find(({ spkiSha256 }) => spkiSha256 === presented.spkiSha256)
  const signer = root ?? presented
  if (root === undefined) {
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

/** A statement as it is written in JSON. */
export function toWireStatement({ payload, signature, signer }: SignedStatement): WireStatement {
  return { payload, signature: toBase64(signature), signer: signer.map(({ der }) => toBase64(der)) }
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function fromWireStatement({ payload, signature, signer }: WireStatement): SignedStatement {
  return {
    payload,
    signature: fromBase64(signature),
    signer: signer.map((text) => Certificate.decode(fromBase64(text))),
  }
}

const WORDS: Readonly<Record<StatementPurpose, string>> = {
  'deny-list': 'a deny list',
  'root-set': 'a set of roots',
}

function signedBytes(purpose: StatementPurpose, payload: string): Uint8Array {
  return Buffer.from(`p2p-reach ${purpose} 1\0${payload}`, 'utf8')
}

/** Ed25519 hashes by itself (RFC 8032); the others sign a SHA-256. */
function digestFor(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
}
