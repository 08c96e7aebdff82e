import assert from 'node:assert/strict'
import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import {
  BINDING_METHOD,
  bindingRequest,
  decodeStun,
  encodeStun,
  findAttribute,
  looksLikeStun,
  mappedAddressOf,
  otherAddressOf,
  transactionKey,
  unknownComprehensionRequired,
} from '../../../../lib/protocol/stun/message.ts'
import type { StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import type { StunMessage } from '../../../../lib/protocol/stun/message.ts'
import {
  coturnIpv4,
  coturnIpv6,
  coturnLegacy,
  coturnUnknownAttribute,
  coturnVectors,
} from '../../../vectors/coturn-stun.ts'
import {
  allVectors,
  hex,
  sampleIpv4Response,
  sampleIpv6Response,
  sampleLongTermRequest,
  sampleRequest,
} from '../../../vectors/rfc5769.ts'
import { aMessage, aTransactionId } from './arbitraries.ts'

const ID = hex('01020304 05060708 090a0b0c')

test('reads the sample request of RFC 5769 §2.1', (t) => {
  const message = decodeStun(sampleRequest.bytes)
  t.is(message.class, 'request')
  t.is(message.method, BINDING_METHOD)
  t.deepEqual(message.transactionId, hex('b7e7a701 bc34d686 fa87dfae'))
  t.is(message.legacy, undefined)
  t.deepEqual(message.attributes, [
    { type: 'software', value: 'STUN test client' },
    { type: 'priority', value: 0x6e0001ff },
    { type: 'ice-controlled', tieBreaker: 0x932ff9b151263b36n },
    { type: 'username', value: 'evtj:h6vY' },
    { type: 'message-integrity', value: hex('9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2') },
    { type: 'fingerprint', value: 0xe57a3bcf },
  ])
})

test('reads the address of the sample IPv4 response (RFC 5769 §2.2)', (t) => {
  const message = decodeStun(sampleIpv4Response.bytes)
  t.is(message.class, 'success')
  t.deepEqual(mappedAddressOf(message), transportAddress('192.0.2.1', 32_853))
})

test('reads the address of the sample IPv6 response (RFC 5769 §2.3)', (t) => {
  const message = decodeStun(sampleIpv6Response.bytes)
  t.deepEqual(mappedAddressOf(message), transportAddress('2001:db8:1234:5678:11:2233:4455:6677', 32_853))
})

test('writes the long-term request of RFC 5769 §2.4 byte for byte', (t) => {
  t.deepEqual(encodeStun(decodeStun(sampleLongTermRequest.bytes)), sampleLongTermRequest.bytes)
})

test('reads all that coturn answers', (t) => {
  const message = decodeStun(coturnIpv4.bytes)
  t.deepEqual(message.attributes, [
    { type: 'xor-mapped-address', address: transportAddress('127.0.0.1', 40_000) },
    { type: 'mapped-address', address: transportAddress('127.0.0.1', 40_000) },
    { type: 'response-origin', address: transportAddress('127.0.0.1', 3478) },
    { type: 'other-address', address: transportAddress('127.0.0.2', 3479) },
    { type: 'software', value: "Coturn-4.6.1 'Gorst'" },
  ])
  t.deepEqual(mappedAddressOf(decodeStun(coturnIpv6.bytes)), transportAddress('::1', 40_000))
})

test('writes coturn’s replies byte for byte where their padding is not counted', (t) => {
  for (const { bytes } of [coturnIpv4, coturnIpv6]) t.deepEqual(encodeStun(decodeStun(bytes)), bytes)
})

test('drops the zeros that coturn counts into reason and software', (t) => {
  const error = decodeStun(coturnUnknownAttribute.bytes)
  t.is(error.class, 'error')
  t.deepEqual(findAttribute(error, 'error-code'), {
    type: 'error-code',
    code: 420,
    reason: 'Unknown Attribute',
  })
  t.deepEqual(findAttribute(error, 'unknown-attributes')?.numbers, [0x7123])
  t.is(findAttribute(decodeStun(coturnLegacy.bytes), 'software')?.value, "Coturn-4.6.1 'Gorst'")
})

test('keeps the first 4 bytes of an RFC 3489 transaction id, so that a reply can echo them', (t) => {
  const message = decodeStun(coturnLegacy.bytes)
  t.true(message.legacy)
  t.is(message.cookie, 0x01020304)
  t.deepEqual(mappedAddressOf(message), transportAddress('127.0.0.1', 40_000))
  t.deepEqual(
    encodeStun({ ...message, attributes: [] }),
    hex('0101 0000 01020304', '01020304 05060708 090a0b0c'),
  )
})

test('encodes class and method as the RFCs print them', (t) => {
  const types: readonly (readonly [StunMessage['class'], number, string])[] = [
    ['request', 0x001, '0001'],
    ['indication', 0x001, '0011'],
    ['success', 0x001, '0101'],
    ['error', 0x001, '0111'],
    // RFC 8656 §17: Allocate 0x003, Send 0x006.
    ['success', 0x003, '0103'],
    ['indication', 0x006, '0016'],
    ['error', 0xfff, '3fff'],
  ]
  for (const [stunClass, method, expected] of types) {
    const bytes = encodeStun({ class: stunClass, method, transactionId: ID, attributes: [] })
    t.deepEqual(bytes.subarray(0, 2), hex(expected))
    t.like(decodeStun(bytes), { class: stunClass, method })
  }
})

test('reads what it wrote', (t) => {
  fc.assert(
    fc.property(aMessage, (message) => {
      const bytes = encodeStun(message)
      assert.deepEqual(decodeStun(bytes), { ...message, raw: bytes })
    }),
  )
  t.pass()
})

test('reads what it wrote with integrity and fingerprint behind it', (t) => {
  const kinds = fc.constantFrom('sha1', 'sha256', 'both')
  fc.assert(
    fc.property(aMessage, kinds, fc.uint8Array(), (message, kind, key) => {
      const { attributes } = decodeStun(encodeStun(message, { integrity: { kind, key }, fingerprint: true }))
      assert.deepEqual(attributes.slice(0, message.attributes.length), message.attributes)
      assert.equal(attributes.length - message.attributes.length, kind === 'both' ? 3 : 2)
    }),
  )
  t.pass()
})

test('round trips a message of RFC 3489', (t) => {
  fc.assert(
    fc.property(aMessage, fc.integer({ min: 0, max: 0xffff_ffff }), (message, cookie) => {
      fc.pre(cookie !== 0x2112a442)
      const bytes = encodeStun({ ...message, cookie })
      assert.deepEqual(decodeStun(bytes), { ...message, legacy: true, cookie, raw: bytes })
    }),
  )
  t.pass()
})

test('throws only ERR_REACH_DECODE on arbitrary bytes', (t) => {
  const body = fc.uint8Array({ maxLength: 200 })
  const framed = body.map((bytes) => {
    const length = bytes.length & ~3
    return Uint8Array.from([
      1,
      1,
      length >> 8,
      length & 0xff,
      0x21,
      0x12,
      0xa4,
      0x42,
      ...ID,
      ...bytes.subarray(0, length),
    ])
  })
  fc.assert(
    fc.property(fc.oneof(body, framed), (bytes) => onlyDecodeErrors(bytes)),
    { numRuns: 1000 },
  )
  t.pass()
})

test('throws only ERR_REACH_DECODE when one byte of a real message changes', (t) => {
  const vectors = [...allVectors, ...coturnVectors]
  const change = fc.tuple(fc.constantFrom(...vectors), fc.nat(), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(change, ([{ bytes }, position, value]) => {
      const changed = Uint8Array.from(bytes)
      changed[position % bytes.length] = value
      return onlyDecodeErrors(changed)
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

for (const { source, bytes } of [...allVectors, ...coturnVectors]) {
  test(`refuses each truncation of the message of ${source}`, (t) => {
    for (let length = 0; length < bytes.length; length++) {
      const error = t.throws(() => decodeStun(bytes.subarray(0, length)))
      t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
      t.false(looksLikeStun(bytes.subarray(0, length)))
    }
  })
}

test('refuses bytes behind the message', (t) => {
  const longer = Uint8Array.from([...coturnIpv4.bytes, 0, 0, 0, 0])
  t.true(
    ReachError.is(
      t.throws(() => decodeStun(longer)),
      'ERR_REACH_DECODE',
    ),
  )
  t.false(looksLikeStun(longer))
})

test('recognises STUN and nothing else that shares a port with it (RFC 7983 §7)', (t) => {
  for (const { bytes } of allVectors) t.true(looksLikeStun(bytes))
  t.true(looksLikeStun(bindingRequest(ID)))
  t.false(looksLikeStun(coturnLegacy.bytes), 'no cookie')
  t.false(looksLikeStun(hex('16fefd', '00'.repeat(40))), 'DTLS')
  t.false(looksLikeStun(hex('80', '00'.repeat(40))), 'RTP')
  t.false(looksLikeStun(hex('4001 0000 2112a442', '00'.repeat(12))), 'TURN channel')
  t.false(looksLikeStun(hex('0001 0002 2112a442', '00'.repeat(14))), 'length no multiple of 4')
})

test('ignores what follows MESSAGE-INTEGRITY but MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 §14.5)', (t) => {
  const sha1: StunAttribute = { type: 'message-integrity', value: new Uint8Array(20) }
  const sha256: StunAttribute = { type: 'message-integrity-sha256', value: new Uint8Array(32) }
  const fingerprint: StunAttribute = { type: 'fingerprint', value: 1 }
  const software: StunAttribute = { type: 'software', value: 'x' }
  const evil: StunAttribute = { type: 'unknown', number: 0x7123, value: new Uint8Array(4) }
  const kept = (...attributes: StunAttribute[]) => decodeStun(bindingRequest(ID, attributes)).attributes
  t.deepEqual(kept(software, sha1, evil, sha256, software, fingerprint), [
    software,
    sha1,
    sha256,
    fingerprint,
  ])
  t.deepEqual(kept(sha256, sha1, software, fingerprint), [sha256, fingerprint])
  t.deepEqual(kept(fingerprint, software, sha1), [fingerprint])
  t.deepEqual(kept(sha1, { ...sha1, value: new Uint8Array(20).fill(1) }), [sha1])
})

test('does not stumble over malformed attributes that it ignores', (t) => {
  const bytes = hex(
    '0001 0020 2112a442 01020304 05060708 090a0b0c',
    `0008 0014 ${'00'.repeat(20)}`,
    '0003 0001 ff000000',
  )
  t.deepEqual(
    decodeStun(bytes).attributes.map(({ type }) => type),
    ['message-integrity'],
  )
})

test('finds the first of several attributes', (t) => {
  const message = decodeStun(
    bindingRequest(ID, [
      { type: 'software', value: 'first' },
      { type: 'software', value: 'second' },
    ]),
  )
  t.is(findAttribute(message, 'software')?.value, 'first')
  t.is(findAttribute(message, 'nonce'), undefined)
})

test('prefers XOR-MAPPED-ADDRESS, because NATs rewrite the other', (t) => {
  const rewritten: StunAttribute = { type: 'mapped-address', address: transportAddress('10.0.0.1', 1) }
  const hidden: StunAttribute = { type: 'xor-mapped-address', address: transportAddress('192.0.2.1', 2) }
  const reply = (...attributes: StunAttribute[]) => decodeStun(bindingRequest(ID, attributes))
  t.deepEqual(mappedAddressOf(reply(rewritten, hidden)), transportAddress('192.0.2.1', 2))
  t.deepEqual(mappedAddressOf(reply(rewritten)), transportAddress('10.0.0.1', 1))
  t.is(mappedAddressOf(reply()), undefined)
})

test('finds a server’s other address in OTHER-ADDRESS, CHANGED-ADDRESS or OTHER-PORT', (t) => {
  const server = transportAddress('192.0.2.1', 3478)
  const other = transportAddress('192.0.2.2', 3479)
  const reply = (...attributes: StunAttribute[]) => decodeStun(bindingRequest(ID, attributes))
  t.deepEqual(otherAddressOf(reply({ type: 'other-address', address: other }), server), other)
  t.deepEqual(otherAddressOf(reply({ type: 'changed-address', address: other }), server), other)
  t.deepEqual(
    otherAddressOf(reply({ type: 'other-port', port: 3479 }), server),
    transportAddress('192.0.2.1', 3479),
  )
  t.is(otherAddressOf(reply(), server), undefined)
})

test('lists unknown comprehension-required attributes, each once', (t) => {
  const unknown = (number: number): StunAttribute => ({ type: 'unknown', number, value: new Uint8Array(0) })
  const message = decodeStun(
    bindingRequest(ID, [unknown(0x7123), unknown(0xc123), unknown(0x0002), unknown(0x7123)]),
  )
  t.deepEqual(unknownComprehensionRequired(message), [0x7123, 0x0002])
})

test('makes different keys of different transaction ids', (t) => {
  fc.assert(
    fc.property(aTransactionId, aTransactionId, (a, b) => {
      const isSame = a.every((byte, i) => byte === b[i])
      return (transactionKey(a) === transactionKey(b)) === isSame
    }),
  )
  t.pass()
})

test('copies what it decodes: a later write to the packet changes nothing', (t) => {
  const packet = Uint8Array.from(sampleRequest.bytes)
  const message = decodeStun(packet)
  const before = structuredClone({ ...message, raw: undefined })
  packet.fill(0xff)
  t.deepEqual({ ...message, raw: undefined }, before)
})

test('refuses to write a header that does not fit', (t) => {
  const message = { class: 'request', method: 1, transactionId: ID, attributes: [] } as const
  t.throws(() => encodeStun({ ...message, method: 0x1000 }), { instanceOf: RangeError })
  t.throws(() => encodeStun({ ...message, method: -1 }), { instanceOf: RangeError })
  t.throws(() => encodeStun({ ...message, transactionId: ID.subarray(1) }), { instanceOf: RangeError })
  for (const truncateTo of [12, 18, 36]) {
    const integrity = { kind: 'sha256', key: ID, truncateTo } as const
    t.throws(() => encodeStun(message, { integrity }), { instanceOf: RangeError })
  }
})

test('writes the largest message that the length field holds', (t) => {
  const attributes: StunAttribute[] = [{ type: 'padding', length: 65_528 }]
  const bytes = bindingRequest(ID, attributes)
  t.is(bytes.length, 20 + 65_532)
  t.deepEqual(decodeStun(bytes).attributes, attributes)
})

function onlyDecodeErrors(bytes: Uint8Array): boolean {
  try {
    decodeStun(bytes)
    return true
  } catch (error) {
    return ReachError.is(error, 'ERR_REACH_DECODE')
  }
}
