import test from 'ava'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { ReachError } from '../../../../lib/base/errors.ts'
import { ATTRIBUTE_NUMBERS, attributeTypeOf } from '../../../../lib/protocol/stun/attribute-numbers.ts'
import type { StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import { isComprehensionRequired } from '../../../../lib/protocol/stun/attributes.ts'
import { bindingRequest, decodeStun } from '../../../../lib/protocol/stun/message.ts'
import { hex } from '../../../vectors/rfc5769.ts'

const ID = Uint8Array.from({ length: 12 }, (_, i) => i + 1)
const v4 = transportAddress('127.0.0.1', 40_000)
const v6 = transportAddress('2001:db8::a', 3479)

interface Golden {
  /** Where the bytes come from; "by hand" means set from the figure of the section named. */
  readonly source: string
  readonly attribute: StunAttribute
  readonly hex: string
}

const golden: readonly Golden[] = [
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'mapped-address', address: v4 },
    hex: '0001 0008 0001 9c40 7f000001',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'xor-mapped-address', address: v4 },
    hex: '0020 0008 0001 bd52 5e12a443',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'xor-mapped-address', address: transportAddress('::1', 40_000) },
    hex: '0020 0014 0002 bd52 2112a442 01020304 05060708 090a0b0d',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'other-address', address: v6 },
    hex: '802c 0014 0002 0d97 20010db8 00000000 00000000 0000000a',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'response-origin', address: transportAddress('127.0.0.1', 3478) },
    hex: '802b 0008 0001 0d96 7f000001',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'source-address', address: transportAddress('127.0.0.1', 3478) },
    hex: '0004 0008 0001 0d96 7f000001',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'changed-address', address: transportAddress('127.0.0.2', 3479) },
    hex: '0005 0008 0001 0d97 7f000002',
  },
  {
    source: 'RFC 8489 §14.15, by hand',
    attribute: { type: 'alternate-server', address: transportAddress('198.51.100.7', 3478) },
    hex: '8023 0008 0001 0d96 c6336407',
  },
  { source: 'RFC 5769 §2.1', attribute: { type: 'priority', value: 0x6e0001ff }, hex: '0024 0004 6e0001ff' },
  {
    source: 'RFC 5769 §2.1',
    attribute: { type: 'ice-controlled', tieBreaker: 0x932ff9b151263b36n },
    hex: '8029 0008 932ff9b1 51263b36',
  },
  {
    source: 'RFC 8445 §16.1, by hand',
    attribute: { type: 'ice-controlling', tieBreaker: 1n },
    hex: '802a 0008 00000000 00000001',
  },
  { source: 'RFC 8445 §16.1, by hand', attribute: { type: 'use-candidate' }, hex: '0025 0000' },
  {
    source: 'RFC 5769 §2.4',
    attribute: { type: 'username', value: '\u30de\u30c8\u30ea\u30c3\u30af\u30b9' },
    hex: '0006 0012 e3839ee3 8388e383 aae38383 e382afe3 82b90000',
  },
  {
    source: 'RFC 5769 §2.4',
    attribute: { type: 'realm', value: 'example.org' },
    hex: '0014 000b 6578616d 706c652e 6f726700',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'nonce', value: '951894d6c40da4e5' },
    hex: '0015 0010 39353138 39346436 63343064 61346535',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'software', value: "Coturn-4.6.1 'Gorst'" },
    hex: '8022 0014 436f7475 726e2d34 2e362e31 2027476f 72737427',
  },
  {
    source: 'RFC 8489 §14.16, by hand',
    attribute: { type: 'alternate-domain', value: 'stun.example' },
    hex: '8003 000c 7374756e 2e657861 6d706c65',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'error-code', code: 401, reason: 'Unauthorized' },
    hex: '0009 0010 00000401 556e6175 74686f72 697a6564',
  },
  {
    source: 'coturn 4.6.1',
    attribute: { type: 'unknown-attributes', numbers: [0x7123] },
    hex: '000a 0002 7123 0000',
  },
  {
    source: 'RFC 8489 appendix B.1, erratum 6268',
    attribute: { type: 'password-algorithm', algorithm: 2, parameters: new Uint8Array(0) },
    hex: '001d 0004 0002 0000',
  },
  {
    source: 'RFC 8489 §14.11, by hand',
    attribute: {
      type: 'password-algorithms',
      algorithms: [
        { algorithm: 2, parameters: new Uint8Array(0) },
        { algorithm: 1, parameters: Uint8Array.of(0xab) },
      ],
    },
    hex: '8002 000c 0002 0000 0001 0001 ab000000',
  },
  {
    source: 'RFC 8489 appendix B.1',
    attribute: {
      type: 'userhash',
      value: hex('4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704'),
    },
    hex: '001e 0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704',
  },
  {
    source: 'RFC 5780 §7.2, by hand: "change IP" is 0x4',
    attribute: { type: 'change-request', changeIp: true, changePort: false },
    hex: '0003 0004 00000004',
  },
  {
    source: 'RFC 5780 §7.2, by hand: "change port" is 0x2',
    attribute: { type: 'change-request', changeIp: false, changePort: true },
    hex: '0003 0004 00000002',
  },
  {
    source: 'RFC 5780 §7.5, by hand',
    attribute: { type: 'response-port', port: 40_000 },
    hex: '0027 0004 9c40 0000',
  },
  {
    source: 'RFC 5780 §7.6, by hand',
    attribute: { type: 'padding', length: 6 },
    hex: '0026 0006 00000000 00000000',
  },
  { source: 'ours', attribute: { type: 'other-port', port: 3479 }, hex: 'd2ea 0004 0d97 0000' },
  {
    source: 'RFC 8489 §14.5, by hand',
    attribute: { type: 'message-integrity', value: new Uint8Array(20).fill(7) },
    hex: `0008 0014 ${'07'.repeat(20)}`,
  },
  {
    source: 'RFC 8489 §14.6, by hand: truncated to 16 bytes',
    attribute: { type: 'message-integrity-sha256', value: new Uint8Array(16).fill(9) },
    hex: `001c 0010 ${'09'.repeat(16)}`,
  },
  {
    source: 'RFC 5769 §2.1',
    attribute: { type: 'fingerprint', value: 0xe57a3bcf },
    hex: '8028 0004 e57a3bcf',
  },
  {
    source: 'RFC 8489 §14, by hand',
    attribute: { type: 'unknown', number: 0xc0de, value: Uint8Array.of(1, 2, 3) },
    hex: 'c0de 0003 01020300',
  },
]

for (const { source, attribute, hex: expected } of golden) {
  test(`writes and reads ${attribute.type} as in ${source}: ${expected.slice(0, 30)}`, (t) => {
    const bytes = bindingRequest(ID, [attribute])
    t.deepEqual(bytes.subarray(20), hex(expected))
    t.deepEqual(decodeStun(bytes).attributes, [attribute])
  })
}

test('has a golden vector for every attribute in the table', (t) => {
  const covered = new Set<string>(golden.map(({ attribute }) => attribute.type))
  t.deepEqual(
    Object.keys(ATTRIBUTE_NUMBERS).filter((type) => !covered.has(type)),
    [],
  )
})

test('gives each attribute its own number and finds it again', (t) => {
  for (const [type, number] of Object.entries(ATTRIBUTE_NUMBERS)) {
    const found: string | undefined = attributeTypeOf(number)
    t.is(found, type)
  }
  t.is(attributeTypeOf(0x7123), undefined)
})

test('calls 0x0000 to 0x7fff comprehension-required (RFC 8489 §14)', (t) => {
  t.true(isComprehensionRequired(0x0000))
  t.true(isComprehensionRequired(0x7fff))
  t.false(isComprehensionRequired(0x8000))
  t.false(isComprehensionRequired(0xffff))
})

test('reads an IPv4-mapped IPv6 address as IPv4', (t) => {
  const bytes = message('0001 0014 0002 0d96 00000000 00000000 0000ffff c6336407')
  t.deepEqual(decodeStun(bytes).attributes, [
    { type: 'mapped-address', address: transportAddress('198.51.100.7', 3478) },
  ])
})

test('gives addresses the transport that the caller names', (t) => {
  const [attribute] = decodeStun(message('0001 0008 0001 0d96 c6336407'), { transport: 'tcp' }).attributes
  t.deepEqual(attribute, { type: 'mapped-address', address: transportAddress('198.51.100.7', 3478, 'tcp') })
})

test('leaves the zone of an address out', (t) => {
  const bytes = bindingRequest(ID, [{ type: 'mapped-address', address: transportAddress('fe80::1%eth0', 9) }])
  t.deepEqual(decodeStun(bytes).attributes, [
    { type: 'mapped-address', address: transportAddress('fe80::1', 9) },
  ])
})

test('reads RESPONSE-PORT with and without its padding counted (RFC 5780 §7.5)', (t) => {
  t.deepEqual(decodeStun(message('0027 0002 9c40 0000')).attributes, [
    { type: 'response-port', port: 40_000 },
  ])
  t.deepEqual(decodeStun(message('0027 0004 9c40 0000')).attributes, [
    { type: 'response-port', port: 40_000 },
  ])
})

test('keeps a byte order mark in a nonce, which goes back as it came', (t) => {
  const nonce = '\ufeffabc'
  const bytes = bindingRequest(ID, [{ type: 'nonce', value: nonce }])
  t.deepEqual(decodeStun(bytes).attributes, [{ type: 'nonce', value: nonce }])
})

test('reads SOFTWARE that is not UTF-8 with replacement characters, since it is only for people', (t) => {
  t.deepEqual(decodeStun(message('8022 0004 61ff6200')).attributes, [{ type: 'software', value: 'a\ufffdb' }])
})

const malformed: readonly (readonly [string, string])[] = [
  ['an address of family 3', '0001 0008 0003 0d96 c6336407'],
  ['an IPv4 address with 5 bytes', '0001 0009 0001 0d96 c6336407 01000000'],
  ['an IPv6 address with 4 bytes', '0020 0008 0002 0d96 c6336407'],
  ['an address without anything', '0001 0000'],
  ['CHANGE-REQUEST with 3 bytes', '0003 0003 00000000'],
  ['PRIORITY with 8 bytes', '0024 0008 6e0001ff 00000000'],
  ['USE-CANDIDATE with a value', '0025 0004 00000000'],
  ['a tie-breaker with 4 bytes', '8029 0004 932ff9b1'],
  ['MESSAGE-INTEGRITY with 19 bytes', `0008 0013 ${'07'.repeat(20)}`],
  ['MESSAGE-INTEGRITY-SHA256 with 12 bytes', `001c 000c ${'07'.repeat(12)}`],
  ['MESSAGE-INTEGRITY-SHA256 with 18 bytes', `001c 0012 ${'07'.repeat(20)}`],
  ['MESSAGE-INTEGRITY-SHA256 with 36 bytes', `001c 0024 ${'07'.repeat(36)}`],
  ['USERHASH with 31 bytes', `001e 001f ${'07'.repeat(32)}`],
  ['FINGERPRINT with 2 bytes', '8028 0002 e57a0000'],
  ['ERROR-CODE of class 2', '0009 0004 00000201'],
  ['ERROR-CODE of class 7', '0009 0004 00000701'],
  ['ERROR-CODE number 100', '0009 0004 00000464'],
  ['ERROR-CODE with 3 bytes', '0009 0003 00000400'],
  ['UNKNOWN-ATTRIBUTES with 3 bytes', '000a 0003 71230000'],
  ['RESPONSE-PORT with 3 bytes', '0027 0003 9c400000'],
  ['a username that is not UTF-8', '0006 0002 c3280000'],
  ['a nonce that is not UTF-8', '0015 0001 ff000000'],
  ['a username of 509 bytes', `0006 01fd ${'61'.repeat(512)}`],
  ['a nonce of 764 bytes', `0015 02fc ${'61'.repeat(764)}`],
  ['an algorithm whose parameters end too early', '001d 0004 0002 0005'],
]

for (const [what, attribute] of malformed) {
  test(`refuses ${what}`, (t) => {
    const error = t.throws(() => decodeStun(message(attribute)))
    t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
  })
}

const unfit: readonly StunAttribute[] = [
  { type: 'username', value: 'a'.repeat(509) },
  { type: 'software', value: 'a'.repeat(764) },
  { type: 'alternate-domain', value: 'a'.repeat(256) },
  { type: 'error-code', code: 299, reason: '' },
  { type: 'error-code', code: 700, reason: '' },
  { type: 'error-code', code: 400.5, reason: '' },
  { type: 'error-code', code: 400, reason: 'a'.repeat(764) },
  { type: 'priority', value: 2 ** 32 },
  { type: 'response-port', port: 65_536 },
  { type: 'unknown-attributes', numbers: [65_536] },
  { type: 'password-algorithm', algorithm: -1, parameters: new Uint8Array(0) },
  { type: 'padding', length: 65_533 },
  { type: 'unknown', number: 0x7123, value: new Uint8Array(65_532) },
]

for (const attribute of unfit) {
  test(`refuses to write what does not fit: ${JSON.stringify(attribute).slice(0, 60)}`, (t) => {
    t.throws(() => bindingRequest(ID, [attribute]), { instanceOf: RangeError })
  })
}

function message(...attributes: readonly string[]): Uint8Array {
  const body = hex(...attributes)
  return Uint8Array.from([0, 1, body.length >> 8, body.length & 0xff, 0x21, 0x12, 0xa4, 0x42, ...ID, ...body])
}
