import test from 'ava'
import fc from 'fast-check'
import { SendMemory } from '../../../lib/session/send-memory.ts'

const BLOCK_LENGTH = 64 * 1024

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

test('a copy has the bytes of the chunk, and does not change with it', (t) => {
  const memory = new SendMemory()
  const chunk = Uint8Array.from({ length: 150_000 }, (_, i) => i % 251)
  const before = Buffer.from(chunk)
  const pieces = memory.copy(chunk)
  chunk.fill(0)
  t.true(before.equals(Buffer.concat(pieces)))
})

test('chunks that are no multiple of a block share blocks: nothing is allocated for what is left over', (t) => {
  const memory = new SendMemory()
  const pieces = [40_000, 40_000, 40_000].flatMap((length) => memory.copy(filled(length, 1)))
  t.is(new Set(pieces.map(({ buffer }) => buffer)).size, Math.ceil(120_000 / BLOCK_LENGTH))
})

test('chunks that are copied together are pieces of whole blocks, used again as any', (t) => {
  const memory = new SendMemory()
  memory.copy(filled(1000, 9))
  const chunks = Array.from({ length: 300 }, (_, i) => filled(1 + ((i * 7919) % 1500), i % 251))
  const whole = Buffer.concat(chunks)
  const pieces = memory.copyAll(chunks)
  for (const chunk of chunks) chunk.fill(255)
  t.true(whole.equals(Buffer.concat(pieces)))
  t.is(pieces.length, Math.ceil((1000 + whole.length) / BLOCK_LENGTH))
  const [first] = memory.copyAll([filled(BLOCK_LENGTH, 1)])
  t.is(
    memory.copyAll([]).reduce((sum, { length }) => sum + length, 0),
    0,
  )
  t.is(first?.buffer, pieces.at(-1)?.buffer, 'the last block goes on')
  t.deepEqual(memory.copyAll([filled(3, 1), filled(0, 2), filled(2, 3)]), [Buffer.from([1, 1, 1, 3, 3])])
})

test('a block is used again once all of it is acknowledged, and not before', (t) => {
  const memory = new SendMemory()
  const [first] = memory.copy(filled(BLOCK_LENGTH, 1))
  if (first === undefined) return t.fail()
  memory.sending(first.subarray(0, 1000), 0)
  memory.acknowledged(1000)
  t.not(memory.copy(filled(BLOCK_LENGTH, 2))[0]?.buffer, first.buffer, 'a part waits to be sent')
  memory.sending(first.subarray(1000), 1000)
  memory.acknowledged(BLOCK_LENGTH - 1)
  t.not(memory.copy(filled(BLOCK_LENGTH, 2))[0]?.buffer, first.buffer, 'a byte is not acknowledged')
  memory.acknowledged(BLOCK_LENGTH)
  t.is(memory.copy(filled(BLOCK_LENGTH, 2))[0]?.buffer, first.buffer)
})

test('a block of which a part never goes to the link is not used again', (t) => {
  const memory = new SendMemory()
  const [reset] = memory.copy(filled(1000, 1))
  const rest = memory.copy(filled(BLOCK_LENGTH - 1000, 2))
  for (const piece of rest) memory.sending(piece, 0)
  memory.acknowledged(BLOCK_LENGTH)
  t.not(memory.copy(filled(BLOCK_LENGTH, 3))[0]?.buffer, reset?.buffer)
})

test('what many streams had under way is used again while something is, and mostly let go at rest', (t) => {
  const memory = new SendMemory()
  const first = memory.copy(filled(200 * BLOCK_LENGTH, 1))
  first.forEach((piece, i) => memory.sending(piece, i * BLOCK_LENGTH))
  const known = new Set(first.map(({ buffer }) => buffer))
  memory.acknowledged(199 * BLOCK_LENGTH)
  const again = memory.copy(filled(199 * BLOCK_LENGTH, 2))
  t.true(
    again.every(({ buffer }) => known.has(buffer)),
    'one block was under way',
  )
  again.forEach((piece, i) => memory.sending(piece, (200 + i) * BLOCK_LENGTH))
  memory.acknowledged(399 * BLOCK_LENGTH)
  const later = memory.copy(filled(200 * BLOCK_LENGTH, 3))
  t.is(later.filter(({ buffer }) => known.has(buffer)).length, 64, 'nothing was under way')
})

test('what is not acknowledged stays as it is, whatever is written, sent and acknowledged in between', (t) => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ write: fc.integer({ min: 1, max: 200_000 }), stream: fc.nat(2) }),
      fc.record({ send: fc.integer({ min: 1, max: 70_000 }), stream: fc.nat(2) }),
      fc.record({ acknowledge: fc.double({ min: 0, max: 1, noNaN: true }) }),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (all) => {
      const memory = new SendMemory()
      const queues: { piece: Uint8Array; byte: number }[][] = [[], [], []]
      const sent: { piece: Uint8Array; byte: number; end: number }[] = []
      let [written, acked, byte] = [0, 0, 0]
      for (const step of all) {
        if ('write' in step) {
          byte = (byte % 255) + 1
          const pieces = memory.copy(filled(step.write, byte))
          for (const piece of pieces) queues[step.stream]?.push({ piece, byte })
        } else if ('send' in step) {
          const next = queues[step.stream]?.shift()
          if (next === undefined) continue
          const part = next.piece.subarray(0, step.send)
          const rest = next.piece.subarray(step.send)
          memory.sending(part, written)
          written += part.length
          sent.push({ piece: part, byte: next.byte, end: written })
          if (rest.length > 0) queues[step.stream]?.unshift({ piece: rest, byte: next.byte })
        } else {
          acked = Math.max(acked, Math.floor(step.acknowledge * written))
          memory.acknowledged(acked)
        }
        const unacked = sent.filter(({ end }) => end > acked)
        for (const { piece, byte: expected } of [...queues.flat(), ...unacked]) {
          if (!piece.every((one) => one === expected)) return false
        }
      }
      return true
    }),
    { numRuns: 50 },
  )
  t.pass()
})
