import fc from 'fast-check'
import test from 'ava'
import { ByteReader } from '../../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../../lib/base/byte-writer.ts'

test('writes big-endian fields one after the other', (t) => {
  const writer = new ByteWriter()
  writer
    .u8(0x01)
    .u16(0x0203)
    .u32(0x0405_0607)
    .u64(0x0809_0a0b_0c0d_0e0fn)
    .bytes(Uint8Array.of(16, 17))
    .zeros(2)
  t.is(writer.length, 19)
  t.deepEqual(writer.finish(), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0, 0))
})

type Field =
  | { readonly kind: 'u8' | 'u16' | 'u32'; readonly value: number }
  | { readonly kind: 'u64'; readonly value: bigint }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'zeros'; readonly value: number }

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant('zeros' as const), value: fc.nat(300) }),
)

test('whatever is written reads back, from any capacity on', (t) => {
  fc.assert(
    fc.property(fc.array(field), fc.nat(64), (fields, capacity) => {
      const writer = new ByteWriter(capacity)
      for (const item of fields) write(writer, item)
      const bytes = writer.finish()
      t.is(bytes.length, writer.length)
      const reader = new ByteReader(bytes)
      t.deepEqual(
        fields.map((item) => read(reader, item)),
        fields.map((item) => (item.kind === 'zeros' ? new Uint8Array(item.value) : item.value)),
      )
      t.is(reader.remaining, 0)
    }),
  )
})

test('regression: a number that makes the buffer grow lands in the grown one, where it was out of bounds', (t) => {
  const writer = new ByteWriter(0)
  for (let value = 0; value < 1000; value++) writer.u16(value)
  const reader = new ByteReader(writer.finish())
  for (let value = 0; value < 1000; value++) t.is(reader.u16('value'), value)
})

test('zeros are zero where a longer buffer held something else', (t) => {
  const writer = new ByteWriter(4)
  const early = writer.peek()
  t.is(early.length, 0)
  t.deepEqual(writer.u32(0xffff_ffff).zeros(3).finish(), Uint8Array.of(255, 255, 255, 255, 0, 0, 0))
})

test('setU16 overwrites two written bytes and moves nothing', (t) => {
  const writer = new ByteWriter(2).u8(1).u16(0).u8(4)
  t.deepEqual(writer.setU16(1, 0x0203).finish(), Uint8Array.of(1, 2, 3, 4))
})

test('setU16 refuses offsets that are not written yet', (t) => {
  const writer = new ByteWriter(16).u32(0)
  for (const offset of [-1, 3, 4, 100, Number.NaN, 0.5]) {
    t.throws(() => writer.setU16(offset, 1), { instanceOf: RangeError }, String(offset))
  }
  t.deepEqual(writer.finish(), new Uint8Array(4))
})

test('a value that does not fit its field is a RangeError, and writes nothing (regression: it was cut off)', (t) => {
  const writer = new ByteWriter()
  for (const value of [-1, 0x100, 1.5, Number.NaN])
    t.throws(() => writer.u8(value), { instanceOf: RangeError })
  for (const value of [-1, 0x1_0000, 1.5, Number.NaN])
    t.throws(() => writer.u16(value), { instanceOf: RangeError })
  for (const value of [-1, 2 ** 32, 1.5, Number.NaN])
    t.throws(() => writer.u32(value), { instanceOf: RangeError })
  for (const value of [-1n, 2n ** 64n]) t.throws(() => writer.u64(value), { instanceOf: RangeError })
  t.throws(() => writer.u8(1).setU16(0, 0x1_0000), { instanceOf: RangeError })
  t.is(writer.length, 1)
})

function write(writer: ByteWriter, item: Field): void {
  switch (item.kind) {
    case 'u64':
      writer.u64(item.value)
      return
    case 'bytes':
      writer.bytes(item.value)
      return
    case 'u8':
    case 'u16':
    case 'u32':
    case 'zeros':
      writer[item.kind](item.value)
  }
}

function read(reader: ByteReader, item: Field): number | bigint | Uint8Array {
  switch (item.kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'u64':
      return reader[item.kind]('field')
    case 'bytes':
      return reader.bytes(item.value.length, 'field')
    case 'zeros':
      return reader.bytes(item.value, 'field')
  }
}
