import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import type { DnsMessage, DnsRecord } from '../../../../lib/protocol/mdns/dns-message.ts'
import { decodeDns, encodeDns } from '../../../../lib/protocol/mdns/dns-message.ts'

const RUNS = { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 500) }
const EMPTY = { id: 0, isResponse: false, isTruncated: false, questions: [], answers: [], additionals: [] }

function bytesOf(...hex: readonly string[]): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.join('').replace(/\s/g, ''), 'hex'))
}

const HEADER_QUERY = '0000 0000 0001 0000 0000 0000'
// 09 _services 07 _dns-sd 04 _udp 05 local 00
const SERVICES = '09 5f7365727669636573 07 5f646e732d7364 04 5f756470 05 6c6f63616c 00'

test('a question of RFC 6763 §9 by its bytes, with and without the wish for an answer of its own (RFC 6762 §5.4)', (t) => {
  const plain = bytesOf(HEADER_QUERY, SERVICES, '000c 0001')
  const question = { name: '_services._dns-sd._udp.local', type: 'PTR', isUnicast: false }
  t.deepEqual(decodeDns(plain), { ...EMPTY, questions: [question] })
  t.deepEqual(encodeDns({ ...EMPTY, questions: [question] }), plain)
  const alone = bytesOf(HEADER_QUERY, SERVICES, '000c 8001')
  t.deepEqual(decodeDns(alone).questions, [{ ...question, isUnicast: true }])
  t.deepEqual(decodeDns(bytesOf('0000 0200 0001 0000 0000 0000', SERVICES, '000c 0001')).isTruncated, true)
})

test('a response by its bytes, names compressed as others do it', (t) => {
  const bytes = bytesOf(
    '0000 8400 0000 0002 0000 0000',
    // a.local A 192.0.2.1, the only one, 120 s
    '01 61 05 6c6f63616c 00',
    '0001 8001 00000078 0004 c0000201',
    // the same name by a pointer to byte 12: AAAA 2001:db8::1
    'c00c 001c 8001 00000078 0010 20010db8000000000000000000000001',
  )
  const head = { name: 'a.local', ttlS: 120, isOnly: true }
  t.deepEqual(decodeDns(bytes).answers, [
    { ...head, type: 'A', ip: '192.0.2.1' },
    { ...head, type: 'AAAA', ip: '2001:db8::1' },
  ])
})

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/)
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const head = { name, ttlS: fc.nat(2 ** 31), isOnly: fc.boolean() }
const record = fc.oneof(
  fc.record({ ...head, type: fc.constant('PTR'), target: name }),
  fc.record({ ...head, type: fc.constant('SRV'), port: fc.nat(65_535), target: name }),
  fc.record({ ...head, type: fc.constant('TXT'), texts: fc.array(label, { minLength: 1, maxLength: 4 }) }),
  fc.record({ ...head, type: fc.constant('A'), ip: fc.constantFrom('192.168.1.5', '10.0.0.1') }),
  fc.record({ ...head, type: fc.constant('AAAA'), ip: fc.constantFrom('fd00::1', '2001:db8::5') }),
) as fc.Arbitrary<DnsRecord>
const message = fc.record({
  id: fc.nat(65_535),
  isResponse: fc.boolean(),
  isTruncated: fc.constant(false),
  questions: fc.array(
    fc.record({ name, type: fc.constantFrom('PTR', 'SRV', 'ANY'), isUnicast: fc.constant(false) }),
    { maxLength: 3 },
  ),
  answers: fc.array(record, { maxLength: 5 }),
  additionals: fc.array(record, { maxLength: 5 }),
}) satisfies fc.Arbitrary<DnsMessage>

test('messages are read as they were written', (t) => {
  fc.assert(
    fc.property(message, (said) => {
      t.deepEqual(decodeDns(encodeDns(said)), said)
    }),
    RUNS,
  )
})

function outcome(bytes: Uint8Array): 'read' | 'refused' {
  try {
    decodeDns(bytes)
    return 'read'
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return 'refused'
    throw error
  }
}

test('arbitrary bytes, and messages with some bytes changed or cut off, are read or refused as undecodable', (t) => {
  const changed = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat())
    .map(([said, changes, end]) => {
      const bytes = encodeDns(said)
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      return bytes.subarray(0, bytes.length - (end % bytes.length))
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), changed), (bytes) => {
      t.true(['read', 'refused'].includes(outcome(bytes)))
    }),
    RUNS,
  )
})

const HOSTILE: readonly (readonly [string, Uint8Array])[] = [
  ['nothing', bytesOf('')],
  ['a header alone that claims 4 × 65535 entries', bytesOf('0000 8400 ffff ffff ffff ffff')],
  ['129 entries', bytesOf('0000 8400 0000 0081 0000 0000', 'c00c 000c 0001 00000078 0002 c00c'.repeat(129))],
  ['a name that points at itself', bytesOf('0000 0000 0001 0000 0000 0000', 'c00c 000c 0001')],
  ['two names that point at each other', bytesOf('0000 0000 0001 0000 0000 0000', 'c00e c00c 000c 0001')],
  ['a name that points beyond the end', bytesOf('0000 0000 0001 0000 0000 0000', 'c0ff 000c 0001')],
  ['a label that is longer than the packet', bytesOf('0000 0000 0001 0000 0000 0000', '3f 61')],
  [
    'a name of 300 bytes',
    bytesOf('0000 0000 0001 0000 0000 0000', `3e${'61'.repeat(62)}`.repeat(5), '00 000c 0001'),
  ],
  ['more than a packet may have (RFC 6762 §17)', new Uint8Array(9001)],
  ['a status request (RFC 6762 §18.3)', bytesOf('0000 1000 0001 0000 0000 0000', SERVICES, '000c 0001')],
  ['a failure (RFC 6762 §18.11)', bytesOf('0000 8403 0001 0000 0000 0000', SERVICES, '000c 0001')],
]

for (const [what, bytes] of HOSTILE) test(`refused: ${what}`, (t) => t.is(outcome(bytes), 'refused'))

test('records of types that we have no use for are left out, and do not keep others from being read', (t) => {
  // An OPT record among the additionals, as Apple’s responders send it, after an address.
  const bytes = bytesOf(
    '0000 8400 0000 0001 0000 0001',
    '01 61 05 6c6f63616c 00 0001 8001 00000078 0004 c0000201',
    '00 0029 05a0 00001194 0012 0004 000e 0077cc3ab6a5b1cc3ab6a5b1 0000',
  )
  const { answers, additionals } = decodeDns(bytes)
  t.deepEqual([answers.length, additionals.length], [1, 0])
})
