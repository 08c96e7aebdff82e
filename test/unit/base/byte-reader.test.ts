import fc from 'fast-check'
import test from 'ava'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ReachError } from '../../../lib/base/errors.ts'

test('reads big-endian fields one after the other', (t) => {
  const reader = new ByteReader(
    Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19),
  )
  t.is(reader.u8('a'), 0x01)
  t.is(reader.u16('b'), 0x0203)
  t.is(reader.u32('c'), 0x0405_0607)
  t.is(reader.u64('d'), 0x0809_0a0b_0c0d_0e0fn)
  reader.skip(1, 'e')
  t.deepEqual(reader.bytes(2, 'f'), Uint8Array.of(17, 18))
  t.is(reader.offset, 18)
  t.is(reader.remaining, 1)
  t.deepEqual(reader.rest(), Uint8Array.of(19))
  t.is(reader.remaining, 0)
  t.deepEqual(reader.rest(), new Uint8Array(0))
})

test('reads unsigned: no field comes out negative', (t) => {
  const reader = new ByteReader(new Uint8Array(15).fill(0xff))
  t.is(reader.u8('a'), 0xff)
  t.is(reader.u16('b'), 0xffff)
  t.is(reader.u32('c'), 0xffff_ffff)
  t.is(reader.u64('d'), 0xffff_ffff_ffff_ffffn)
})

test('reads a view in the middle of a larger buffer, and nothing around it', (t) => {
  const packet = Uint8Array.of(0xee, 0xee, 1, 2, 3, 0xee).subarray(2, 5)
  const reader = new ByteReader(packet)
  t.is(reader.u16('a'), 0x0102)
  t.deepEqual(reader.rest(), Uint8Array.of(3))
  t.throws(() => reader.u8('b'))
})

test('bytes are a view: they change with the packet', (t) => {
  const packet = Uint8Array.of(1, 2)
  const view = new ByteReader(packet).bytes(2, 'a')
  packet[0] = 9
  t.deepEqual(view, Uint8Array.of(9, 2))
})

const FIELDS = [
  ['u8', 1, (reader: ByteReader) => reader.u8('field')],
  ['u16', 2, (reader: ByteReader) => reader.u16('field')],
  ['u32', 4, (reader: ByteReader) => reader.u32('field')],
  ['u64', 8, (reader: ByteReader) => reader.u64('field')],
  ['bytes', 5, (reader: ByteReader) => reader.bytes(5, 'field')],
  ['skip', 3, (reader: ByteReader) => reader.skip(3, 'field')],
] as const

for (const [name, size, read] of FIELDS) {
  test(`${name} on too few bytes names the field and takes nothing`, (t) => {
    for (let length = 0; length < size; length++) {
      const reader = new ByteReader(new Uint8Array(length))
      const error = t.throws(() => read(reader))
      if (!ReachError.is(error, 'ERR_REACH_DECODE')) return t.fail(String(error))
      t.is(error.message, `field needs ${size} bytes, ${length} left`)
      t.deepEqual(error.details, { field: 'field', needed: size, remaining: length, offset: 0 })
      t.is(reader.remaining, length)
    }
    t.notThrows(() => read(new ByteReader(new Uint8Array(size))))
  })
}

test('a length that is no count of bytes is refused (regression: NaN was taken)', (t) => {
  for (const length of [-1, -0.5, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    const reader = new ByteReader(new Uint8Array(4))
    t.true(
      ReachError.is(
        t.throws(() => reader.bytes(length, 'field')),
        'ERR_REACH_DECODE',
      ),
      String(length),
    )
    t.is(reader.offset, 0)
  }
})

test('arbitrary reads of arbitrary bytes never go past the end, and fail with ERR_REACH_DECODE only', (t) => {
  const steps = fc.array(fc.oneof(fc.constantFrom(...FIELDS.keys()), fc.integer({ min: -3, max: 40 })))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), steps, (bytes, script) => {
      const reader = new ByteReader(bytes)
      for (const step of script) {
        try {
          const field = FIELDS[step]
          if (field === undefined) reader.bytes(step, 'field')
          else field[2](reader)
        } catch (error) {
          t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
        }
        t.is(reader.offset + reader.remaining, bytes.length)
        t.true(reader.remaining >= 0)
      }
      const { offset } = reader
      t.deepEqual(reader.rest(), bytes.subarray(offset))
    }),
  )
})
