import { ReachError } from '../../base/errors.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { StunAttribute } from '../stun/attributes.ts'
import { checkFingerprint, shortTermKey, verifyIntegrity } from '../stun/integrity.ts'
import {
  BINDING_METHOD,
  decodeStun,
  encodeStun,
  findAttribute,
  looksLikeStun,
  mappedAddressOf,
} from '../stun/message.ts'
import type { DecodedStunMessage } from '../stun/message.ts'
import type { IceRole } from './candidate-pair.ts'

/** A user name fragment and a password (RFC 8445 §5.3). They come from the peer over a channel that is authenticated. */
export interface IceCredentials {
  /** 4 to 256 ice-chars. */
  readonly ufrag: string
  /** 22 to 256 ice-chars. */
  readonly password: string
}

/** @throws {ReachError} ERR_REACH_DECODE when a part is too short, too long or holds other characters (RFC 8839 §5.4) */
export function assertIceCredentials({ ufrag, password }: IceCredentials): void {
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag) || !/^[A-Za-z0-9+/]{22,256}$/.test(password)) {
    throw new ReachError('ERR_REACH_DECODE', 'not the credentials of an ICE agent')
  }
}

/** Credentials out of 24 random bytes: 48 bits of name, 144 of secret, where RFC 8445 §5.3 asks for 24 and 128. */
export function iceCredentials(random: Uint8Array): IceCredentials {
  if (random.length !== 24) throw new RangeError('credentials are made of 24 bytes')
  const text = Buffer.from(random).toString('base64')
  return { ufrag: text.slice(0, 8), password: text.slice(8) }
}

/** Both sides' credentials, and the keys that follow from them. */
export class CheckKeys {
  readonly localUfrag: string
  readonly remoteUfrag: string
  readonly localKey: Uint8Array
  readonly remoteKey: Uint8Array

  constructor(local: IceCredentials, remote: IceCredentials) {
    this.localUfrag = local.ufrag
    this.remoteUfrag = remote.ufrag
    this.localKey = shortTermKey(local.password)
    this.remoteKey = shortTermKey(remote.password)
  }
}

/** What a check says (RFC 8445 §7.1). */
export interface CheckParts {
  readonly transactionId: Uint8Array
  readonly role: IceRole
  readonly tieBreaker: bigint
  /** That which a peer-reflexive candidate found by this check would have. */
  readonly priority: number
  readonly useCandidate?: boolean
}

/** The bytes of a check (RFC 8445 §7.2.2). */
export function encodeCheck(keys: CheckKeys, parts: CheckParts): Uint8Array {
  const { transactionId, role, tieBreaker, priority, useCandidate = false } = parts
  const attributes: StunAttribute[] = [
    { type: 'username', value: `${keys.remoteUfrag}:${keys.localUfrag}` },
    { type: 'priority', value: priority },
    { type: role === 'controlling' ? 'ice-controlling' : 'ice-controlled', tieBreaker },
    ...(useCandidate ? [{ type: 'use-candidate' } as const] : []),
  ]
  return encodeStun(
    { class: 'request', method: BINDING_METHOD, transactionId, attributes },
    { integrity: { kind: 'sha1', key: keys.remoteKey }, fingerprint: true },
  )
}

/** The answer to a check: where it came from (RFC 8445 §7.3.1.2). */
export function encodeCheckSuccess(
  localKey: Uint8Array,
  transactionId: Uint8Array,
  from: TransportAddress,
): Uint8Array {
  const attributes: StunAttribute[] = [{ type: 'xor-mapped-address', address: from }]
  return encodeStun(
    { class: 'success', method: BINDING_METHOD, transactionId, attributes },
    { integrity: { kind: 'sha1', key: localKey }, fingerprint: true },
  )
}

/** 487, Role Conflict (RFC 8445 §7.3.1.1). */
export function encodeRoleConflict(localKey: Uint8Array, transactionId: Uint8Array): Uint8Array {
  return encodeStun(
    {
      class: 'error',
      method: BINDING_METHOD,
      transactionId,
      attributes: [{ type: 'error-code', code: 487, reason: 'Role Conflict' }],
    },
    { integrity: { kind: 'sha1', key: localKey }, fingerprint: true },
  )
}

/** A packet that can be a check or an answer to one: STUN, of the Binding method, with a FINGERPRINT that fits. */
export function readCheckMessage(bytes: Uint8Array): DecodedStunMessage | undefined {
  if (bytes.length > MAX_CHECK_LENGTH || !looksLikeStun(bytes)) return undefined
  let message: DecodedStunMessage
  try {
    message = decodeStun(bytes)
  } catch (error) {
    // Anybody can send anything to an open port.
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined
    throw error
  }
  return message.method === BINDING_METHOD && checkFingerprint(message) === 'valid' ? message : undefined
}

/** Ours: bounds what one packet costs; a check with the longest names has some 700 bytes. */
const MAX_CHECK_LENGTH = 1500

/** A check of somebody who knows our password. */
export interface ReceivedCheck {
  readonly transactionId: Uint8Array
  readonly role: IceRole
  readonly tieBreaker: bigint
  readonly priority: number
  readonly useCandidate: boolean
}

/**
 * What a request says; undefined unless it is addressed to `localUfrag`, made with `localKey`, and complete. Who does
 * not know the password gets no answer at all, so that nobody can find out what listens here.
 * @param remoteUfrag demanded as the other half of the name, once known
 */
export function readCheck(
  message: DecodedStunMessage,
  localUfrag: string,
  localKey: Uint8Array,
  remoteUfrag?: string,
): ReceivedCheck | undefined {
  if (message.class !== 'request') return undefined
  const [ours, theirs] = findAttribute(message, 'username')?.value.split(':') ?? []
  if (ours !== localUfrag || (remoteUfrag !== undefined && theirs !== remoteUfrag)) return undefined
  if (!verifyIntegrity(message, localKey)) return undefined
  const controlling = findAttribute(message, 'ice-controlling')
  const roleAttribute = controlling ?? findAttribute(message, 'ice-controlled')
  const priority = findAttribute(message, 'priority')?.value
  if (roleAttribute === undefined || priority === undefined) return undefined
  return {
    transactionId: message.transactionId,
    role: controlling === undefined ? 'controlled' : 'controlling',
    tieBreaker: roleAttribute.tieBreaker,
    priority: Math.min(Math.max(priority, 1), 2 ** 31 - 1),
    useCandidate: findAttribute(message, 'use-candidate') !== undefined,
  }
}

/** What became of a check. */
export type CheckAnswer =
  | { readonly kind: 'success'; readonly mapped: TransportAddress }
  | { readonly kind: 'role-conflict' }
  | { readonly kind: 'error'; readonly code: number }

/** The answer in a response of somebody who knows the peer's password; undefined for all others. */
export function readCheckAnswer(message: DecodedStunMessage, remoteKey: Uint8Array): CheckAnswer | undefined {
  if (!verifyIntegrity(message, remoteKey)) return undefined
  if (message.class === 'success') {
    const mapped = mappedAddressOf(message)
    return mapped === undefined ? undefined : { kind: 'success', mapped }
  }
  if (message.class !== 'error') return undefined
  const code = findAttribute(message, 'error-code')?.code ?? 0
  return code === 487 ? { kind: 'role-conflict' } : { kind: 'error', code }
}
