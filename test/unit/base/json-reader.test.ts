import test from 'ava'
import fc from 'fast-check'
import { JsonReader } from '../../../lib/base/json-reader.ts'
import { refusal } from '../../support/identity.ts'

const of = (value: unknown) => JsonReader.of(value, 'letter')

test('reads fields of each kind, and ignores those that nobody asks for', (t) => {
  const reader = JsonReader.parse(
    '{"a":"x","b":7,"c":["y","z"],"d":[{"e":1}],"f":{"g":"h"},"i":{"k":{"l":2}},"m":true,"n":[0,9],"later":null}',
    'letter',
  )
  t.is(reader.text('a'), 'x')
  t.is(reader.count('b'), 7)
  t.deepEqual(reader.texts('c'), ['y', 'z'])
  t.deepEqual(
    reader.objects('d').map((item) => item.count('e')),
    [1],
  )
  t.is(reader.object('f').text('g'), 'h')
  t.deepEqual(
    reader.table('i').map(([key, item]) => [key, item.count('l')]),
    [['k', 2]],
  )
  t.true(reader.flag('m'))
  t.deepEqual(reader.counts('n'), [0, 9])
})

test('what is no JSON object is ERR_REACH_DECODE and names what it should have been', (t) => {
  for (const text of ['', '{', 'null', '[]', '1', '"a"', 'true', '{"a":1}}', "{'a':1}"]) {
    refusal(t, () => JsonReader.parse(text, 'letter'), 'ERR_REACH_DECODE', /^letter is no JSON/)
  }
})

type Read = (reader: JsonReader) => unknown
const rows: readonly (readonly [string, Read, unknown])[] = [
  ['a text', (reader) => reader.text('f'), 1],
  ['a text', (reader) => reader.text('f'), null],
  ['a text that is too long', (reader) => reader.text('f', 3), 'four'],
  ['a number', (reader) => reader.count('f'), '1'],
  ['a number that is negative', (reader) => reader.count('f'), -1],
  ['a number with a fraction', (reader) => reader.count('f'), 1.5],
  ['a number above 2^53 - 1', (reader) => reader.count('f'), 2 ** 53],
  ['a flag', (reader) => reader.flag('f'), 'true'],
  ['a list of texts', (reader) => reader.texts('f'), 'a'],
  ['a list with something else in it', (reader) => reader.texts('f'), ['a', 1]],
  ['a list that is too long', (reader) => reader.texts('f', 1), ['a', 'b']],
  ['a list of numbers with a text in it', (reader) => reader.counts('f'), [1, '2']],
  ['a list of numbers with a fraction in it', (reader) => reader.counts('f'), [0.5]],
  ['a list of numbers with a negative one in it', (reader) => reader.counts('f'), [-1]],
  ['a list of numbers that is too long', (reader) => reader.counts('f', 1), [1, 2]],
  ['a list of objects', (reader) => reader.objects('f'), [[]]],
  ['a list of objects that is too long', (reader) => reader.objects('f', 1), [{}, {}]],
  ['an object', (reader) => reader.object('f'), []],
  ['a table', (reader) => reader.table('f'), []],
  ['a table of objects', (reader) => reader.table('f'), { a: 1 }],
]

for (const [what, read, value] of rows) {
  test(`${what}: ${JSON.stringify(value)} is refused, and so is nothing; both name the field`, (t) => {
    refusal(t, () => read(of({ f: value })), 'ERR_REACH_DECODE', /\bf\b/)
    refusal(t, () => read(of({})), 'ERR_REACH_DECODE', /\bf\b.*(is missing|is no JSON object)/)
  })
}

test('what every object inherits is no field', (t) => {
  for (const field of ['toString', 'constructor', '__proto__', 'hasOwnProperty']) {
    t.false(of({}).has(field))
    refusal(t, () => of({}).text(field), 'ERR_REACH_DECODE', /is missing/)
    refusal(t, () => of({}).object(field), 'ERR_REACH_DECODE')
  }
  t.is(JsonReader.parse('{"__proto__":"own"}', 'letter').text('__proto__'), 'own')
})

test('optional() is undefined for a field that is absent or null, and strict for one that is there', (t) => {
  const read = (value: unknown) => of(value).optional('f', (reader) => reader.count('f'))
  t.is(read({}), undefined)
  t.is(read({ f: null }), undefined)
  t.is(read({ f: 0 }), 0)
  refusal(t, () => read({ f: 'x' }), 'ERR_REACH_DECODE')
})

test('any JSON is read or refused with ERR_REACH_DECODE, never anything else', (t) => {
  const reads: readonly Read[] = rows.map(([, read]) => read)
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...reads), (value, read) => {
      try {
        read(JsonReader.parse(JSON.stringify({ f: value }), 'letter'))
      } catch {
        refusal(t, () => read(of({ f: value })), 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
