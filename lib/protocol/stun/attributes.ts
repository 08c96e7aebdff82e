import type { TransportAddress } from '../../base/transport-address.ts'
import type { KnownAttributeType } from './attribute-numbers.ts'

export { isComprehensionRequired } from './attribute-numbers.ts'

/** One plain variant per name, so that `Extract<StunAttribute, { type: T }>` finds it. */
type Each<Type extends KnownAttributeType, Body> = Type extends KnownAttributeType
  ? Readonly<{ type: Type } & Body>
  : never

/** An IP and a port. MAPPED-ADDRESS and its kin are plain, XOR-MAPPED-ADDRESS hides them from NATs that rewrite packets. */
type AddressAttribute = Each<
  | 'mapped-address'
  | 'xor-mapped-address'
  | 'other-address'
  | 'response-origin'
  | 'alternate-server'
  | 'changed-address'
  | 'source-address',
  { address: TransportAddress }
>

type TextAttribute = Each<'username' | 'realm' | 'nonce' | 'software' | 'alternate-domain', { value: string }>

type BytesAttribute = Each<
  'userhash' | 'message-integrity' | 'message-integrity-sha256',
  { value: Uint8Array }
>

/** An algorithm of RFC 8489 §18.5 (1 is MD5, 2 is SHA-256) and its parameters, which are empty for both. */
export interface PasswordAlgorithm {
  readonly algorithm: number
  readonly parameters: Uint8Array
}

/**
 * One attribute of a STUN message: RFC 8489 §14, RFC 5780 §7, RFC 8445 §16.1, and what RFC 3489 clients expect.
 * `unknown` keeps what we do not know, number and bytes.
 */
export type StunAttribute =
  | AddressAttribute
  | TextAttribute
  | BytesAttribute
  | Each<'change-request', { changeIp: boolean; changePort: boolean }>
  | Each<'response-port' | 'other-port', { port: number }>
  /** Bytes without meaning (RFC 5780 §7.6). */
  | Each<'padding', { length: number }>
  | Each<'error-code', { code: number; reason: string }>
  | Each<'unknown-attributes', { numbers: readonly number[] }>
  | Each<'password-algorithm', PasswordAlgorithm>
  | Each<'password-algorithms', { algorithms: readonly PasswordAlgorithm[] }>
  | Each<'priority' | 'fingerprint', { value: number }>
  | Each<'use-candidate', unknown>
  | Each<'ice-controlled' | 'ice-controlling', { tieBreaker: bigint }>
  | { readonly type: 'unknown'; readonly number: number; readonly value: Uint8Array }
