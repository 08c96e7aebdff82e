import { sameBytes } from '../../base/same-bytes.ts'
import {
  BINDING_METHOD,
  TRANSACTION_ID_LENGTH,
  decodeStun,
  encodeStun,
  looksLikeStun,
} from '../stun/message.ts'
import { ReachError } from '../../base/errors.ts'

/** Random bytes of a proof, drawn by the member: the transaction id of the packet that carries them (RFC 8489 §5). */
export const PROOF_NONCE_LENGTH = TRANSACTION_ID_LENGTH

/**
 * What the relay sends to the port that is to be proven, over UDP as a datagram and over TCP as the only bytes: a STUN
 * Binding indication (RFC 8489 §6.2), which every agent that speaks STUN on that port ignores, with the nonce as its
 * transaction id.
 * @throws {RangeError} when the nonce has another length
 */
export function encodeProof(nonce: Uint8Array): Uint8Array {
  return encodeStun({ class: 'indication', method: BINDING_METHOD, transactionId: nonce, attributes: [] })
}

/** True for a packet that {@link encodeProof} made of that nonce; later versions may add attributes. */
export function carriesProof(bytes: Uint8Array, nonce: Uint8Array): boolean {
  if (!looksLikeStun(bytes)) return false
  try {
    const message = decodeStun(bytes)
    const isBinding = message.class === 'indication' && message.method === BINDING_METHOD
    return isBinding && sameBytes(message.transactionId, nonce)
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return false // anybody may send to an open port
    throw error
  }
}
