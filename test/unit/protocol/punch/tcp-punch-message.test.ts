import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import {
  decodeTcpPunchMessage,
  encodeTcpPunchMessage,
} from '../../../../lib/protocol/punch/tcp-punch-message.ts'
import type { TcpPunchMessage } from '../../../../lib/protocol/punch/tcp-punch-message.ts'

const READY: TcpPunchMessage = {
  kind: 'ready',
  round: 1,
  addresses: [transportAddress('192.0.2.1', 4000, 'tcp'), transportAddress('2001:db8::1', 4000, 'tcp')],
}

test('what is written is read again', (t) => {
  for (const message of [READY, { ...READY, addresses: [] }, { kind: 'go', round: 2 } as const]) {
    t.deepEqual(decodeTcpPunchMessage(encodeTcpPunchMessage(message)), message)
  }
})

for (const [what, change] of [
  ['more than 4 addresses', { addresses: Array.from({ length: 5 }, () => ({ ip: '192.0.2.1', port: 1 })) }],
  ['no addresses', { addresses: null }],
  ['port 0', { addresses: [{ ip: '192.0.2.1', port: 0 }] }],
  ['a port over 65535', { addresses: [{ ip: '192.0.2.1', port: 65_536 }] }],
  ['a name for an IP', { addresses: [{ ip: 'localhost', port: 1 }] }],
  ['round 0', { round: 0 }],
  ['a huge round', { round: 65 }],
  ['a broken round', { round: 1.5 }],
  ['another kind', { kind: 'stop' }],
  ['a text that is too long', { more: 'x'.repeat(1024) }],
] as const) {
  test(`refused: ${what}`, (t) => {
    const text = JSON.stringify({ ...READY, ...change })
    t.is(t.throws(() => decodeTcpPunchMessage(text), { instanceOf: ReachError }).code, 'ERR_REACH_DECODE')
  })
}

test('arbitrary text is refused with ERR_REACH_DECODE and nothing else', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        decodeTcpPunchMessage(text)
        return false
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
