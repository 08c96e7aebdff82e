import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { decodePcpResponse, encodePcpAnnounce } from '../../../../lib/protocol/port-mapping/pcp.ts'
import { hex } from '../../../vectors/rfc5769.ts'

/** RFC 6887 §14.1: an ANNOUNCE request is the common request header of §7.1 alone. */
const ANNOUNCE_V4 = hex(
  '02', // version 2
  '00', // R = 0, opcode 0: ANNOUNCE
  '0000', // reserved
  '00000000', // requested lifetime: 0 for ANNOUNCE
  '00000000 00000000 0000ffff c0a8010a', // client's address ::ffff:192.168.1.10 (§5)
)
const ANNOUNCE_V6 = hex('02', '00', '0000', '00000000', '20010db8 00000000 00000000 00000010')

/** RFC 6887 §7.2. */
const SUCCESS = hex(
  '02', // version 2
  '80', // R = 1, opcode 0
  '00', // reserved
  '00', // result 0: SUCCESS
  '00000078', // lifetime: 120 s
  '00015180', // epoch: 86400 s
  '00000000 00000000 00000000', // reserved
)

test('asks with the header of RFC 6887 §7.1 and the client’s own address', (t) => {
  t.deepEqual(encodePcpAnnounce('192.168.1.10'), ANNOUNCE_V4)
  t.deepEqual(encodePcpAnnounce('2001:db8::10'), ANNOUNCE_V6)
  t.deepEqual(encodePcpAnnounce('2001:db8::10%eth0'), ANNOUNCE_V6)
})

test('reads every field of a response (RFC 6887 §7.2)', (t) => {
  const expected = { version: 2, opcode: 0, resultCode: 0, lifetimeS: 120, epochS: 86_400 }
  t.deepEqual(decodePcpResponse(SUCCESS), expected)
  const refused = Uint8Array.from(SUCCESS)
  refused.set([2], 3)
  t.deepEqual(decodePcpResponse(refused), { ...expected, resultCode: 2 })
})

test('reads NAT-PMP refusing the version (RFC 6887 Appendix A, RFC 6886 §3.5)', (t) => {
  const bytes = hex(
    '00', // version 0
    '80', // opcode 0 + 128
    '0001', // result 1: unsupported version
    '00015180', // epoch
  )
  t.deepEqual(decodePcpResponse(bytes), {
    version: 0,
    opcode: 0,
    resultCode: 1,
    lifetimeS: 0,
    epochS: 86_400,
  })
})

test('longer responses are allowed, up to the 1100 bytes of RFC 6887 §7', (t) => {
  const bytes = new Uint8Array(1100)
  bytes.set(SUCCESS)
  t.is(decodePcpResponse(bytes).epochS, 86_400)
  const tooLong = new Uint8Array(1104)
  tooLong.set(SUCCESS)
  t.throws(() => decodePcpResponse(tooLong), { code: 'ERR_REACH_DECODE' })
})

test('refuses requests, and every truncation', (t) => {
  t.throws(() => decodePcpResponse(ANNOUNCE_V4), { code: 'ERR_REACH_DECODE' })
  for (let length = 0; length < SUCCESS.length; length++)
    t.throws(() => decodePcpResponse(SUCCESS.subarray(0, length)), { code: 'ERR_REACH_DECODE' })
})

test('arbitrary bytes throw only ERR_REACH_DECODE', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1200 }), (bytes) => {
      try {
        decodePcpResponse(bytes)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      }
    }),
  )
  t.pass()
})
