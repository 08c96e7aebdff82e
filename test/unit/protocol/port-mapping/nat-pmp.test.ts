import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import {
  decodeNatPmpExternalAddress,
  encodeNatPmpExternalAddressRequest,
} from '../../../../lib/protocol/port-mapping/nat-pmp.ts'
import { hex } from '../../../vectors/rfc5769.ts'

/** RFC 6886 §3.2. */
const RESPONSE = hex(
  '00', // version 0
  '80', // opcode 128 + 0
  '0000', // result 0: success
  '00015180', // seconds since the start of the epoch
  'cb007132', // external address 203.0.113.50
)

test('asks with version 0 and opcode 0 (RFC 6886 §3.2)', (t) => {
  t.deepEqual(encodeNatPmpExternalAddressRequest(), hex('00', '00'))
})

test('reads every field of a response, and ignores what is behind it', (t) => {
  const expected = { resultCode: 0, epochS: 86_400, externalIp: '203.0.113.50' }
  t.deepEqual(decodeNatPmpExternalAddress(RESPONSE), expected)
  t.deepEqual(decodeNatPmpExternalAddress(Uint8Array.from([...RESPONSE, 1, 2])), expected)
})

test('a failure has no address, even where there are bytes of one (RFC 6886 §3.5)', (t) => {
  const refused = Uint8Array.from(RESPONSE)
  refused.set([2], 3)
  t.deepEqual(decodeNatPmpExternalAddress(refused), {
    resultCode: 2,
    epochS: 86_400,
    externalIp: undefined,
  })
  t.is(decodeNatPmpExternalAddress(refused.subarray(0, 8)).externalIp, undefined)
})

test('refuses other versions, opcodes, its own request, and every truncation', (t) => {
  const refuses = (bytes: Uint8Array) =>
    t.throws(() => decodeNatPmpExternalAddress(bytes), { code: 'ERR_REACH_DECODE' })
  for (const [version, opcode] of [
    [2, 0x80],
    [1, 0x80],
    [0, 0x81],
    [0, 0],
  ] as const)
    refuses(Uint8Array.from([version, opcode, ...RESPONSE.subarray(2)]))
  refuses(encodeNatPmpExternalAddressRequest())
  for (let length = 0; length < RESPONSE.length; length++) refuses(RESPONSE.subarray(0, length))
})

test('arbitrary bytes throw only ERR_REACH_DECODE', (t) => {
  const anyBytes = fc.uint8Array({ maxLength: 40 })
  const almost = anyBytes.map((bytes) => Uint8Array.from([0, 0x80, 0, 0, ...bytes]))
  fc.assert(
    fc.property(fc.oneof(anyBytes, almost), (bytes) => {
      try {
        decodeNatPmpExternalAddress(bytes)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      }
    }),
  )
  t.pass()
})
