import type { JsonReader } from '../../base/json-reader.ts'

/** A signed statement as it is written in JSON; bytes in base64. What it means is for `lib/identity` to say. */
export interface WireStatement {
  readonly payload: string
  readonly signature: string
  /** Certificates in DER: the signing CA, and what leads from it to a root. */
  readonly signer: readonly string[]
}

/** Ours: a deny list of 10,000 keys has about 1.5 MB. */
const MAX_PAYLOAD_LENGTH = 3 * 1024 * 1024
const MAX_SIGNATURE_LENGTH = 2048
const MAX_SIGNERS = 8

/** @throws {ReachError} ERR_REACH_DECODE */
export function readWireStatement(reader: JsonReader): WireStatement {
  return {
    payload: reader.text('payload', MAX_PAYLOAD_LENGTH),
    signature: reader.text('signature', MAX_SIGNATURE_LENGTH),
    signer: reader.texts('signer', MAX_SIGNERS),
  }
}
