import fc from 'fast-check'
import { bytesToIp, transportAddress } from '../../../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import { ATTRIBUTE_NUMBERS } from '../../../../lib/protocol/stun/attribute-numbers.ts'
import type { StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import type { StunMessage } from '../../../../lib/protocol/stun/message.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const port = fc.integer({ min: 0, max: 65_535 })

/** IPv4 and IPv6, canonical. */
export const anAddress: fc.Arbitrary<TransportAddress> = fc
  .tuple(fc.oneof(bytes(4), bytes(16)), port)
  .map(([ip, number]) => transportAddress(bytesToIp(ip), number))

/** Without trailing zeros, which software and reasons lose. */
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !value.endsWith('\0'))

const algorithm = fc
  .tuple(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 9 }))
  .map(([number, parameters]) => ({ algorithm: number, parameters }))

const known = new Set<number>(Object.values(ATTRIBUTE_NUMBERS))
const unknownNumber = fc.integer({ min: 0, max: 0xffff }).filter((number) => !known.has(number))

/** Every attribute that may stand anywhere in a message: all but the three that close it. */
export const anAttribute: fc.Arbitrary<StunAttribute> = fc
  .oneof(
    fc.record({
      type: fc.constantFrom(
        'mapped-address',
        'xor-mapped-address',
        'other-address',
        'response-origin',
        'alternate-server',
        'changed-address',
        'source-address',
      ),
      address: anAddress,
    }),
    fc.record({
      type: fc.constantFrom('username', 'realm', 'nonce', 'software', 'alternate-domain'),
      value: text,
    }),
    fc.record({ type: fc.constant('userhash'), value: bytes(32) }),
    fc.record({ type: fc.constant('change-request'), changeIp: fc.boolean(), changePort: fc.boolean() }),
    fc.record({ type: fc.constantFrom('response-port', 'other-port'), port }),
    fc.record({ type: fc.constant('padding'), length: fc.integer({ min: 0, max: 1500 }) }),
    fc.record({ type: fc.constant('error-code'), code: fc.integer({ min: 300, max: 699 }), reason: text }),
    fc.record({
      type: fc.constant('unknown-attributes'),
      numbers: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 9 }),
    }),
    algorithm.map((value) => ({ type: 'password-algorithm' as const, ...value })),
    fc.record({
      type: fc.constant('password-algorithms'),
      algorithms: fc.array(algorithm, { maxLength: 4 }),
    }),
    fc.record({ type: fc.constant('priority'), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
    fc.record({ type: fc.constant('use-candidate') }),
    fc.record({
      type: fc.constantFrom('ice-controlled', 'ice-controlling'),
      tieBreaker: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
    }),
    fc.record({
      type: fc.constant('unknown'),
      number: unknownNumber,
      value: fc.uint8Array({ maxLength: 30 }),
    }),
  )
  // fast-check's records may have no prototype, which strict comparison minds.
  .map((attribute): StunAttribute => ({ ...attribute }))

export const aTransactionId = bytes(12)

/** Messages of RFC 8489. */
export const aMessage: fc.Arbitrary<StunMessage> = fc.record({
  class: fc.constantFrom('request', 'indication', 'success', 'error'),
  method: fc.integer({ min: 0, max: 0xfff }),
  transactionId: aTransactionId,
  attributes: fc.array(anAttribute, { maxLength: 8 }),
})

/** Bytes that get past the first checks more often than noise does: a Binding request's header, then anything. */
export const nearlyARequest: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.uint8Array({ maxLength: 120 }), fc.boolean(), aTransactionId)
  .map(([body, isLegacy, id]) => {
    const length = body.length & ~3
    const cookie = isLegacy ? [1, 2, 3, 4] : [0x21, 0x12, 0xa4, 0x42]
    return Uint8Array.from([0, 1, length >> 8, length & 0xff, ...cookie, ...id, ...body.subarray(0, length)])
  })
