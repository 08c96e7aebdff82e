/**
 * Every attribute number that we read or write, in one table: RFC 8489 §18.3, RFC 5780 §7, RFC 8445 §16.1, and the
 * three of RFC 3489 §11.2 that old clients still need.
 *
 * Not here, so decoded as `unknown`: RESPONSE-ADDRESS 0x0002 (it made any server a reflector), PASSWORD 0x0007 and
 * REFLECTED-FROM 0x000b of RFC 3489, and all of TURN.
 */
export const ATTRIBUTE_NUMBERS = {
  'mapped-address': 0x0001,
  'change-request': 0x0003,
  'source-address': 0x0004,
  'changed-address': 0x0005,
  username: 0x0006,
  'message-integrity': 0x0008,
  'error-code': 0x0009,
  'unknown-attributes': 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  'message-integrity-sha256': 0x001c,
  'password-algorithm': 0x001d,
  userhash: 0x001e,
  'xor-mapped-address': 0x0020,
  priority: 0x0024,
  'use-candidate': 0x0025,
  padding: 0x0026,
  'response-port': 0x0027,
  'password-algorithms': 0x8002,
  'alternate-domain': 0x8003,
  software: 0x8022,
  'alternate-server': 0x8023,
  fingerprint: 0x8028,
  'ice-controlled': 0x8029,
  'ice-controlling': 0x802a,
  'response-origin': 0x802b,
  'other-address': 0x802c,
  /**
   * Ours, from the comprehension-optional range (RFC 8489 §18.3), so that others ignore it: the second port of a
   * server that has no second IP. RFC 5780 §7.4 forbids OTHER-ADDRESS there, with reason: a client would ask "another
   * IP" at the same one and take any NAT for endpoint-independent.
   */
  'other-port': 0xd2ea,
} as const

/** The name of an attribute that we know. */
export type KnownAttributeType = keyof typeof ATTRIBUTE_NUMBERS

const TYPES_BY_NUMBER: ReadonlyMap<number, KnownAttributeType> = new Map(
  knownTypes().map((type) => [ATTRIBUTE_NUMBERS[type], type]),
)

/** The name behind a number; undefined when we do not know it. */
export function attributeTypeOf(number: number): KnownAttributeType | undefined {
  return TYPES_BY_NUMBER.get(number)
}

/**
 * True for attributes that a receiver must understand or else refuse the message (RFC 8489 §14: 0x0000 to 0x7fff).
 */
export function isComprehensionRequired(number: number): boolean {
  return number < 0x8000
}

function knownTypes(): KnownAttributeType[] {
  return Object.keys(ATTRIBUTE_NUMBERS).filter((key): key is KnownAttributeType => key in ATTRIBUTE_NUMBERS)
}
