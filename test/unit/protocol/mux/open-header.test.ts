import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import {
  decodeOpen,
  encodeOpen,
  isServiceName,
  MAX_OPEN_LENGTH,
  MAX_SERVICE_LENGTH,
  openLength,
} from '../../../../lib/protocol/mux/open-header.ts'
import { OpenReader } from '../../../../lib/protocol/mux/open-reader.ts'
import { hex } from '../../../vectors/rfc5769.ts'
import { openWeb, openWebDatagrams } from '../../../vectors/yamux.ts'
import { cut } from './cut.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 300)
const aService = fc
  .tuple(
    fc.constantFrom('a', 'b', 'z', '0', '9'),
    fc.array(fc.constantFrom('a', 'z', '0', '9', '.', '_', '-'), { maxLength: 63 }),
  )
  .map(([first, rest]) => first + rest.join(''))

test('OPEN is what docs/wire.md says', (t) => {
  t.deepEqual(encodeOpen({ service: 'web', carries: 'bytes' }), openWeb)
  t.is(openLength(openWeb.subarray(0, 3)), openWeb.length)
  t.deepEqual(decodeOpen(openWeb), { service: 'web', carries: 'bytes' })
})

test('a stream that carries datagrams says so in version 2, which those who only know bytes refuse', (t) => {
  t.deepEqual(encodeOpen({ service: 'web', carries: 'datagrams' }), openWebDatagrams)
  t.deepEqual(decodeOpen(openWebDatagrams), { service: 'web', carries: 'datagrams' })
  t.deepEqual(decodeOpen(hex('02 0006 03 776562 01 aa')), { service: 'web', carries: 'datagrams' })
})

test('what is written is read back', (t) => {
  fc.assert(
    fc.property(aService, fc.constantFrom('bytes', 'datagrams'), (service, carries) => {
      const bytes = encodeOpen({ service, carries })
      t.true(bytes.length <= MAX_OPEN_LENGTH)
      t.is(openLength(bytes), bytes.length)
      t.deepEqual(decodeOpen(bytes), { service, carries })
    }),
    { numRuns: RUNS },
  )
})

test('a longer body is allowed, and its rest ignored', (t) => {
  t.deepEqual(decodeOpen(hex('01 0006 03 776562 aabb')), { service: 'web', carries: 'bytes' })
})

const malformed: readonly (readonly [string, string])[] = [
  ['another version', '03 0004 03 776562'],
  ['version 2 that does not say what it carries', '02 0004 03 776562'],
  ['version 2 that carries what nobody knows', '02 0005 03 776562 02'],
  ['no service', '01 0001 00'],
  ['a service longer than the body', '01 0004 04 776562'],
  ['a body longer than the bytes', '01 0005 03 776562'],
  ['an empty body', '01 0000'],
  ['capitals', '01 0004 03 574542'],
  ['a path', '01 0004 03 2e2e2f'],
  ['a zero', '01 0004 03 770062'],
  ['bytes beyond ASCII', '01 0003 02 c3a4'],
]

for (const [what, bytes] of malformed) {
  test(`refuses ${what}`, (t) => {
    const error = t.throws(() => decodeOpen(hex(bytes)))
    t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
  })
}

test('refuses each truncation, and a length over the limit as soon as it is read', (t) => {
  for (let length = 0; length < openWeb.length; length++) {
    const error = t.throws(() => decodeOpen(openWeb.subarray(0, length)))
    t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
  }
  t.is(openLength(hex('01 03fd')), MAX_OPEN_LENGTH)
  t.true(
    ReachError.is(
      t.throws(() => openLength(hex('01 03fe'))),
      'ERR_REACH_DECODE',
    ),
  )
})

test('arbitrary bytes throw ERR_REACH_DECODE or give a name that may be written', (t) => {
  const bytes = fc
    .uint8Array({ maxLength: 80 })
    .map((rest) => Uint8Array.of(1 + (rest.length % 2), 0, rest.length, ...rest))
  fc.assert(
    fc.property(fc.oneof(bytes, fc.uint8Array({ maxLength: 80 })), (input) => {
      try {
        return isServiceName(decodeOpen(input).service)
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
    { numRuns: RUNS },
  )
  t.pass()
})

test('names of services are short, small and plain', (t) => {
  for (const name of ['web', '0', 'a.b-c_d', 'x'.repeat(MAX_SERVICE_LENGTH)])
    t.true(isServiceName(name), name)
  for (const name of ['', '-a', '.', 'Web', 'a b', 'a/b', 'ä', 'web\n', 'x'.repeat(MAX_SERVICE_LENGTH + 1)])
    t.false(isServiceName(name), name)
  t.throws(() => encodeOpen({ service: 'a/b', carries: 'bytes' }), { instanceOf: RangeError })
})

test('the reader takes OPEN in any pieces, leaves what follows, and can do it again', (t) => {
  const reader = new OpenReader()
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lengths) => {
      reader.restart()
      t.deepEqual(reader.read, { kind: 'collecting' })
      let taken = 0
      for (const piece of cut(Uint8Array.of(...openWeb, 1, 2, 3), lengths)) taken += reader.push(piece)
      t.is(taken, openWeb.length)
      t.is(reader.length, openWeb.length)
      t.deepEqual(reader.read, { kind: 'open', open: { service: 'web', carries: 'bytes' } })
    }),
    { numRuns: RUNS },
  )
})

test('the reader finds a bad OPEN as early as it can', (t) => {
  for (const [bytes, taken] of [
    ['01 ffff 00', 3],
    ['02 0004 03 776562', 7],
  ] as const) {
    const reader = new OpenReader()
    t.is(reader.push(hex(bytes)), taken)
    t.deepEqual(reader.read, { kind: 'bad' })
  }
})
