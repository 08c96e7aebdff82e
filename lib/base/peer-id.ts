import { ReachError } from './errors.ts'
import { decodeZBase32, encodeZBase32 } from './z-base-32.ts'

declare const peerIdBrand: unique symbol

/**
 * Who a peer is: its Ed25519 public key (RFC 8032) in z-base-32, 52 lower-case letters and digits. A key has one PeerId
 * and a PeerId one spelling, so equal text means the same key. Made by {@link peerIdOf} and {@link parsePeerId} only.
 */
export type PeerId = string & { readonly [peerIdBrand]: true }

/** RFC 8032 §5.1.5: bytes of an Ed25519 public key. */
export const PUBLIC_KEY_LENGTH = 32
/** 256 bits, five a letter. */
const PEER_ID_LENGTH = 52
/** Ours: 40 bits tell the peers that one person deals with apart; never enough to trust one. */
const SHORT_LENGTH = 8

/** The PeerId of a raw Ed25519 public key. @throws {RangeError} when it has not 32 bytes */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== PUBLIC_KEY_LENGTH) {
    throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_LENGTH} bytes, not ${publicKey.length}`)
  }
  return branded(encodeZBase32(publicKey))
}

/** The raw Ed25519 public key that a PeerId is. */
export function publicKeyOf(peerId: PeerId): Uint8Array {
  return decodeZBase32(peerId)
}

/** True for the exact text of a PeerId. */
export function isPeerId(text: string): text is PeerId {
  if (text.length !== PEER_ID_LENGTH) return false
  try {
    return decodeZBase32(text).length === PUBLIC_KEY_LENGTH
  } catch {
    return false // the only question is whether it is one
  }
}

/**
 * Reads what a person pasted: spaces around it and capitals do no harm.
 * @throws {ReachError} ERR_REACH_PEER_ID
 */
export function parsePeerId(text: string): PeerId {
  const candidate = text.trim().toLowerCase()
  if (isPeerId(candidate)) return candidate
  throw new ReachError('ERR_REACH_PEER_ID', `${JSON.stringify(text)} is no PeerId`, {
    hint: 'a PeerId has 52 letters and digits; the other side sees its own with  p2p-reach identity',
    details: { text },
  })
}

/** The first letters of a PeerId, for people to tell peers apart. Not enough to trust one. */
export function shortPeerId(peerId: PeerId): string {
  return peerId.slice(0, SHORT_LENGTH)
}

function branded(text: string): PeerId {
  return text as PeerId
}
