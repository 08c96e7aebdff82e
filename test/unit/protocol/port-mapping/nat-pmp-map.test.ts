import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { decodeNatPmpMap, encodeNatPmpMap } from '../../../../lib/protocol/port-mapping/nat-pmp-map.ts'
import { natPmpResultMeaning } from '../../../../lib/protocol/port-mapping/nat-pmp.ts'
import { hex } from '../../../vectors/rfc5769.ts'

/** RFC 6886 §3.3. */
const REQUEST = hex(
  '00', // version 0
  '02', // opcode 2: TCP
  '0000', // reserved
  '1f91', // internal port 8081
  '46a1', // suggested external port 18081
  '0000003c', // lifetime 60 s
)
const RESPONSE = hex(
  '00', // version 0
  '82', // opcode 128 + 2
  '0000', // result 0: success
  '00000384', // epoch 900 s
  '1f91', // internal port
  '46a2', // mapped external port 18082
  '0000001e', // lifetime 30 s
)

const refuses = (bytes: Uint8Array) => {
  try {
    decodeNatPmpMap(bytes)
    return false
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
    return true
  }
}

test('asks for TCP and UDP, and for a removal, as RFC 6886 §3.3 and §3.4 say', (t) => {
  const request = { transport: 'tcp', internalPort: 8_081, externalPort: 18_081, lifetimeS: 60 } as const
  t.deepEqual(encodeNatPmpMap(request), REQUEST)
  t.deepEqual(
    encodeNatPmpMap({ transport: 'udp', internalPort: 8_081, externalPort: 0, lifetimeS: 0 }),
    hex('00 01 0000 1f91 0000 00000000'),
  )
})

test('reads every field of an answer, and ignores what is behind it', (t) => {
  const expected = {
    transport: 'tcp',
    resultCode: 0,
    epochS: 900,
    mapping: { internalPort: 8_081, externalPort: 18_082, lifetimeS: 30 },
  } as const
  t.deepEqual(decodeNatPmpMap(RESPONSE), expected)
  t.deepEqual(decodeNatPmpMap(Uint8Array.from([...RESPONSE, 9])), expected)
  const udp = Uint8Array.from(RESPONSE)
  udp[1] = 0x81
  t.deepEqual(decodeNatPmpMap(udp), { ...expected, transport: 'udp' })
})

test('a failure may end after its epoch, a success may not (RFC 6886 §3.5)', (t) => {
  const refused = Uint8Array.from(RESPONSE.subarray(0, 8))
  refused[3] = 4
  t.deepEqual(decodeNatPmpMap(refused), {
    transport: 'tcp',
    resultCode: 4,
    epochS: 900,
    mapping: undefined,
  })
  t.true(refuses(RESPONSE.subarray(0, 8)))
})

test('refuses other versions and opcodes, its own request, and every truncation', (t) => {
  for (const [version, opcode] of [
    [2, 0x82],
    [0, 0x80],
    [0, 0x83],
    [0, 2],
  ] as const)
    t.true(refuses(Uint8Array.from([version, opcode, ...RESPONSE.subarray(2)])))
  t.true(refuses(REQUEST))
  for (let length = 0; length < RESPONSE.length; length++) t.true(refuses(RESPONSE.subarray(0, length)))
})

test('all result codes of RFC 6886 §3.5 have a meaning of their own', (t) => {
  t.is(new Set(Array.from({ length: 6 }, (_, code) => natPmpResultMeaning(code))).size, 6)
  t.is(natPmpResultMeaning(77), 'result 77')
})

test('what is written is read again', (t) => {
  const port = fc.integer({ min: 0, max: 65_535 })
  fc.assert(
    fc.property(
      fc.constantFrom('udp' as const, 'tcp' as const),
      port,
      port,
      fc.nat(),
      (transport, a, b, s) => {
        const request = encodeNatPmpMap({ transport, internalPort: a, externalPort: b, lifetimeS: s })
        const answer = Uint8Array.from([
          0,
          0x80 | (request[1] ?? 0),
          0,
          0,
          0,
          0,
          0,
          1,
          ...request.subarray(4),
        ])
        const mapping = { internalPort: a, externalPort: b, lifetimeS: s }
        t.deepEqual(decodeNatPmpMap(answer), { transport, resultCode: 0, epochS: 1, mapping })
      },
    ),
  )
})

test('arbitrary bytes throw only ERR_REACH_DECODE', (t) => {
  const anyBytes = fc.uint8Array({ maxLength: 40 })
  const almost = anyBytes.map((bytes) => Uint8Array.from([0, 0x81, ...bytes]))
  fc.assert(
    fc.property(fc.oneof(anyBytes, almost), (bytes) => {
      refuses(bytes)
    }),
  )
  t.pass()
})
