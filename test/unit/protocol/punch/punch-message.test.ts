import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { decodePunchMessage, encodePunchMessage } from '../../../../lib/protocol/punch/punch-message.ts'
import type { PunchMessage } from '../../../../lib/protocol/punch/punch-message.ts'

const READY: PunchMessage = {
  kind: 'ready',
  round: 1,
  addresses: [transportAddress('192.0.2.1', 4000)],
  min: 1024,
  max: 65_535,
  step: -2,
}

test('what is written is read again', (t) => {
  t.deepEqual(decodePunchMessage(encodePunchMessage(READY)), READY)
  t.deepEqual(decodePunchMessage(encodePunchMessage({ kind: 'go', round: 2 })), { kind: 'go', round: 2 })
})

for (const [what, change] of [
  ['more than 8 addresses', { addresses: Array.from({ length: 9 }, () => ({ ip: '192.0.2.1', port: 1 })) }],
  ['port 0', { addresses: [{ ip: '192.0.2.1', port: 0 }] }],
  ['a name for an IP', { addresses: [{ ip: 'localhost', port: 1 }] }],
  ['a range that ends before it begins', { min: 2000, max: 1000 }],
  ['a range over 65535', { max: 65_536 }],
  ['a huge step', { step: 100_000 }],
  ['a broken step', { step: 1.5 }],
  ['a huge round', { round: 1000 }],
] as const) {
  test(`refused: ${what}`, (t) => {
    const text = JSON.stringify({ ...READY, ...change })
    t.is(t.throws(() => decodePunchMessage(text), { instanceOf: ReachError }).code, 'ERR_REACH_DECODE')
  })
}

test('arbitrary text is refused with ERR_REACH_DECODE and nothing else', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        decodePunchMessage(text)
        return false
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
