import test from 'ava'
import fc from 'fast-check'
import { answerQuery } from '../../../cli/demo/name-answers.ts'
import { hex } from '../../vectors/rfc5769.ts'

const ZONE = new Map([
  ['relay.demo.test', ['203.0.113.2', '203.0.113.3', '2001:db8::2']],
  ['empty.test', []],
])

/** RFC 1035 §4.1.2: relay.demo.test as labels. */
const RELAY = '05 72656c6179  04 64656d6f  04 74657374  00'

/** RFC 1035 §4.1.1. */
function aQuery({
  id = '1234',
  flags = '0100',
  counts = '0001 0000 0000 0000',
  name = RELAY,
  type = '0001',
  recordClass = '0001',
} = {}): Uint8Array {
  return hex(id, flags, counts, name, type, recordClass)
}

test('answers A with the addresses of IPv4 (RFC 1035 §4.1)', (t) => {
  t.deepEqual(
    answerQuery(aQuery(), ZONE),
    hex(
      '1234', // the question's id
      '8580', // response, standard query, authoritative, recursion desired and available, no error
      '0001 0002 0000 0000', // one question, two answers
      RELAY,
      '0001 0001', // A, IN: the question again
      'c00c 0001 0001 0000003c 0004 cb007102', // name: pointer to byte 12; A, IN, 60 s, 203.0.113.2
      'c00c 0001 0001 0000003c 0004 cb007103',
    ),
  )
})

test('answers AAAA with the addresses of IPv6 (RFC 3596 §2)', (t) => {
  t.deepEqual(
    answerQuery(aQuery({ type: '001c' }), ZONE),
    hex(
      '1234 8580 0001 0001 0000 0000',
      RELAY,
      '001c 0001',
      'c00c 001c 0001 0000003c 0010 20010db8 00000000 00000000 00000002',
    ),
  )
})

test('finds a name in any case and shows it as it was asked', (t) => {
  const upper = '05 52454c4159  04 64454d6f  04 74657374  00'
  const answer = answerQuery(aQuery({ name: upper }), ZONE)
  t.deepEqual(answer?.subarray(4, 29), hex('0001 0002 0000 0000', upper))
})

test('a name without such records exists, one that is nowhere does not (RFC 1035 §4.1.1: RCODE 3)', (t) => {
  const mx = answerQuery(aQuery({ type: '000f' }), ZONE)
  t.deepEqual(mx, hex('1234 8580 0001 0000 0000 0000', RELAY, '000f 0001'))
  const chaos = answerQuery(aQuery({ recordClass: '0003' }), ZONE)
  t.deepEqual(chaos, hex('1234 8580 0001 0000 0000 0000', RELAY, '0001 0003'))
  const empty = '05 656d707479  04 74657374  00'
  t.deepEqual(
    answerQuery(aQuery({ name: empty }), ZONE),
    hex('1234 8580 0001 0000 0000 0000', empty, '0001 0001'),
  )
  const absent = '04 6e6f7065  04 74657374  00'
  t.deepEqual(
    answerQuery(aQuery({ name: absent }), ZONE),
    hex('1234 8583 0001 0000 0000 0000', absent, '0001 0001'),
  )
  t.deepEqual(
    answerQuery(aQuery({ name: '00' }), ZONE),
    hex('1234 8583 0001 0000 0000 0000', '00', '0001 0001'),
  )
})

test('leaves out what stands behind the question, such as EDNS (RFC 6891 §6.1.2)', (t) => {
  const query = Uint8Array.from([
    ...aQuery({ counts: '0001 0000 0000 0001' }),
    ...hex('00 0029 1000 00000000 0000'),
  ])
  t.deepEqual(answerQuery(query, ZONE), answerQuery(aQuery(), ZONE))
})

test('says nothing to responses, other opcodes, and other than one question', (t) => {
  t.is(answerQuery(aQuery({ flags: '8180' }), ZONE), undefined)
  for (const flags of ['0800', '1000', '2000', '2800']) t.is(answerQuery(aQuery({ flags }), ZONE), undefined)
  for (const counts of ['0000 0000 0000 0000', '0002 0000 0000 0000', 'ffff 0000 0000 0000'])
    t.is(answerQuery(aQuery({ counts }), ZONE), undefined)
})

test('says nothing to truncated questions, pointers in place of names, and labels over 63 bytes', (t) => {
  const whole = aQuery()
  for (let length = 0; length < whole.length; length++)
    t.is(answerQuery(whole.subarray(0, length), ZONE), undefined)
  t.is(answerQuery(aQuery({ name: 'c00c' }), ZONE), undefined)
  t.is(answerQuery(aQuery({ name: `40 ${'61'.repeat(64)} 00` }), ZONE), undefined)
  // regression: a pointer with enough bytes behind it was read as a label of 192 bytes
  t.is(answerQuery(aQuery({ name: `c0 ${'61'.repeat(192)} 00` }), ZONE), undefined)
})

test('arbitrary bytes never throw, and an answer repeats the id', (t) => {
  const anyBytes = fc.uint8Array({ maxLength: 600 })
  const almost = anyBytes.map((bytes) => Uint8Array.from([...aQuery().subarray(0, 12), ...bytes]))
  fc.assert(
    fc.property(fc.oneof(anyBytes, almost), (bytes) => {
      const answer = answerQuery(bytes, ZONE)
      return answer === undefined || (answer[0] === bytes[0] && answer[1] === bytes[1])
    }),
  )
  t.pass()
})
