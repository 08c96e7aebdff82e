import test from 'ava'
import fc from 'fast-check'
import { DerReader, TAG, contextTag } from '../../../../lib/identity/certificate/der-reader.ts'
import {
  readAscii,
  readBoolean,
  readNamedBits,
  readOid,
  readSmallInteger,
  readTime,
} from '../../../../lib/identity/certificate/der-values.ts'
import { der, refusal } from '../../../support/identity.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const reader = (text: string) => new DerReader(hex(text), 'test')
const element = (text: string) => reader(text).next('value')

test('reads elements one after the other, with their tag, content and the whole of them', (t) => {
  const outer = reader('30 08 02 01 05 a0 03 01 01 ff').enter('outer')
  const number = outer.next('number', TAG.integer)
  t.deepEqual([number.tag, [...number.content], [...number.der]], [2, [5], [2, 1, 5]])
  t.is(outer.optional('absent', TAG.oid), undefined)
  const wrapped = outer.optional('wrapped', contextTag(0, 'constructed'))
  t.deepEqual([...(wrapped?.content ?? [])], [1, 1, 0xff])
  t.true(outer.isAtEnd)
  t.is(outer.optional('absent', TAG.oid), undefined)
  outer.end()
})

test('lengths of one, two and three bytes (X.690 §10.1)', (t) => {
  for (const [head, length] of [
    ['04 7f', 127],
    ['04 81 80', 128],
    ['04 82 01 00', 256],
    ['04 83 01 00 00', 65_536],
  ] as const) {
    const bytes = Uint8Array.of(...hex(head), ...new Uint8Array(length))
    t.is(new DerReader(bytes, 'test').next('value').content.length, length)
  }
})

for (const [what, text] of [
  ['a length that is not the shortest', '04 81 7f'],
  ['a length with a leading zero', '04 82 00 ff'],
  ['an indefinite length', '30 80 00 00'],
  ['a length of four bytes', '04 84 00 00 00 01 00'],
  ['a length of 127 bytes', '04 ff'],
  ['a tag of several bytes', '1f 81 01 00'],
  ['more content than there is', '04 05 01 02'],
  ['no length', '04'],
  ['nothing', ''],
] as const) {
  test(`refuses ${what}`, (t) => {
    refusal(t, () => element(text), 'ERR_REACH_DECODE')
  })
}

test('another tag than the one wanted, and bytes left over, are refused and named', (t) => {
  refusal(t, () => reader('02 01 05').next('serial', TAG.oid), 'ERR_REACH_DECODE', /serial has tag 2/)
  refusal(t, () => reader('02 01 05').end(), 'ERR_REACH_DECODE', /left over/)
})

test('object identifiers (X.690 §8.19)', (t) => {
  for (const [text, oid] of [
    ['06 03 55 1d 13', '2.5.29.19'],
    ['06 03 2b 65 70', '1.3.101.112'],
    ['06 03 88 37 03', '2.999.3'],
    ['06 06 2a 86 48 86 f7 0d', '1.2.840.113549'],
    ['06 01 27', '0.39'],
    ['06 01 28', '1.0'],
  ] as const) {
    t.is(readOid(element(text)), oid)
  }
  for (const text of [
    '06 00',
    '06 01 80',
    '06 02 55 9d',
    '06 04 55 1d 80 13',
    '06 0a 55 ff ff ff ff ff ff ff ff 7f',
  ]) {
    refusal(t, () => readOid(element(text)), 'ERR_REACH_DECODE')
  }
})

test('booleans, numbers and bits have one spelling (X.690 §8.3.2, §11.1, §11.2)', (t) => {
  t.true(readBoolean(element('01 01 ff')))
  t.false(readBoolean(element('01 01 00')))
  for (const text of ['01 00', '01 01 01', '01 02 00 00'])
    refusal(t, () => readBoolean(element(text)), 'ERR_REACH_DECODE')
  t.deepEqual(
    ['02 01 00', '02 01 7f', '02 02 00 80', '02 04 7f ff ff ff'].map((text) =>
      readSmallInteger(element(text)),
    ),
    [0, 127, 128, 2 ** 31 - 1],
  )
  for (const text of ['02 00', '02 01 ff', '02 05 00 ff ff ff ff', '02 02 00 7f', '02 02 00 00'])
    refusal(t, () => readSmallInteger(element(text)), 'ERR_REACH_DECODE')
  t.deepEqual([...readNamedBits(element('03 02 01 06'))], [5, 6])
  t.deepEqual([...readNamedBits(element('03 03 07 00 80'))], [8])
  t.deepEqual([...readNamedBits(element('03 01 00'))], [])
  for (const text of ['03 00', '03 02 08 00', '03 01 01', '03 02 01 07'])
    refusal(t, () => readNamedBits(element(text)), 'ERR_REACH_DECODE')
})

test('times (RFC 5280 §4.1.2.5)', (t) => {
  const time = (tag: number, text: string) =>
    readTime(element(Buffer.from(der(tag, Buffer.from(text))).toString('hex')))
  t.is(time(TAG.utcTime, '231114221320Z'), 1_700_000_000_000)
  t.is(time(TAG.utcTime, '500101000000Z'), Date.UTC(1950, 0, 1))
  t.is(time(TAG.utcTime, '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59))
  t.is(time(TAG.generalizedTime, '20500101000000Z'), Date.UTC(2050, 0, 1))
  t.is(time(TAG.generalizedTime, '99991231235959Z'), Date.UTC(9999, 11, 31, 23, 59, 59))
  t.is(time(TAG.utcTime, '240229000000Z'), Date.UTC(2024, 1, 29))
  for (const [tag, text] of [
    [TAG.utcTime, '2311142213Z'],
    [TAG.utcTime, '231114221320+0100'],
    [TAG.utcTime, '20231114221320Z'],
    [TAG.utcTime, '230229000000Z'],
    [TAG.utcTime, '231301000000Z'],
    [TAG.utcTime, '231114246000Z'],
    [TAG.utcTime, '231114235960Z'],
    [TAG.generalizedTime, '20500101000000.5Z'],
    [TAG.generalizedTime, '500101000000Z'],
    [TAG.integer, '231114221320Z'],
    [TAG.utcTime, ''],
  ] as const) {
    refusal(t, () => time(tag, text), 'ERR_REACH_DECODE')
  }
})

test('names are printable ASCII: a zero byte in one has fooled others', (t) => {
  t.is(readAscii(element('82 03 61 2e 62')), 'a.b')
  for (const text of ['82 03 61 00 62', '82 01 7f', '82 02 c3 a4', '82 01 0a'])
    refusal(t, () => readAscii(element(text)), 'ERR_REACH_DECODE')
})

test('arbitrary bytes throw nothing but ERR_REACH_DECODE', (t) => {
  const reads = [readOid, readBoolean, readSmallInteger, readAscii, readTime, readNamedBits]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...reads), (bytes, read) => {
      const action = () => [...new DerReader(bytes, 'test').rest('item')].map((one) => read(one))
      try {
        action()
      } catch {
        refusal(t, action, 'ERR_REACH_DECODE')
      }
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
