import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { bytesToIp, transportAddress } from '../../../../lib/base/transport-address.ts'
import type { PcpMapRequest } from '../../../../lib/protocol/port-mapping/pcp-map.ts'
import {
  decodePcpMapResponse,
  encodePcpMap,
  encodePcpPeer,
} from '../../../../lib/protocol/port-mapping/pcp-map.ts'
import { pcpResultMeaning } from '../../../../lib/protocol/port-mapping/pcp-result.ts'
import { decodePcpRequest, encodePcpMapResponse } from '../../../support/pcp-server-codec.ts'
import { hex } from '../../../vectors/rfc5769.ts'

const NONCE = hex('cf41b640 06eb639f 96725284')
const INTERNAL = transportAddress('192.168.1.10', 8080, 'tcp')

/** RFC 6887 §7.1, §11.1; miniupnpd 2.3.1 granted it. */
const MAP_REQUEST = hex(
  '02', // version 2
  '01', // R = 0, opcode 1: MAP
  '0000', // reserved
  '00001c20', // requested lifetime: 7200 s
  '00000000 00000000 0000ffff c0a8010a', // client's address ::ffff:192.168.1.10
  'cf41b640 06eb639f 96725284', // nonce
  '06', // protocol: TCP
  '000000', // reserved
  '1f90', // internal port 8080
  '1f90', // suggested external port 8080
  '00000000 00000000 0000ffff 00000000', // suggested external address: any IPv4
)

/** Captured from miniupnpd 2.3.1, in answer to the above. */
const MAP_RESPONSE = hex(
  '02', // version 2
  '81', // R = 1, opcode 1
  '00', // reserved
  '00', // result 0: SUCCESS
  '00001c20', // lifetime 7200 s
  '0000000a', // epoch 10 s
  '00000000 00000000 00000000', // reserved
  'cf41b640 06eb639f 96725284', // nonce
  '06', // TCP
  '000000', // reserved
  '1f90', // internal port
  '1f91', // assigned external port 8081
  '00000000 00000000 0000ffff 2d4d0a14', // assigned external address ::ffff:45.77.10.20
)

/** RFC 6887 §12.1: MAP's fields, then remote port, reserved, remote address. */
const PEER_TAIL = hex('0d96', '0000', '00000000 00000000 0000ffff cb007109')
const PREFER_FAILURE = hex('02', '00', '0000')
/** RFC 6887 §13.3: 203.0.113.0/24, any port. */
const FILTER = hex('03', '00', '0014', '00', '78', '0000', '00000000 00000000 0000ffff cb007100')

const REQUEST: PcpMapRequest = { internal: INTERNAL, nonce: NONCE, lifetimeS: 7_200, externalPort: 8_080 }
const EXPECTED = {
  version: 2,
  opcode: 1,
  resultCode: 0,
  lifetimeS: 7_200,
  epochS: 10,
  mapping: {
    nonce: NONCE,
    transport: 'tcp',
    internalPort: 8_080,
    externalPort: 8_081,
    externalIp: '45.77.10.20',
    remote: undefined,
    options: [],
  },
} as const

const join = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))
const refuses = (bytes: Uint8Array) => {
  try {
    decodePcpMapResponse(bytes)
    return false
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
    return true
  }
}

test('writes MAP as in RFC 6887 §11.1', (t) => {
  t.deepEqual(encodePcpMap(REQUEST), MAP_REQUEST)
})

test('a removal has lifetime 0; IPv6 asks for any IPv6 address (RFC 6887 §5, §15)', (t) => {
  const internal = transportAddress('2001:db8::10', 443, 'udp')
  const bytes = encodePcpMap({ ...REQUEST, internal, lifetimeS: 0, externalPort: 0 })
  t.deepEqual(
    bytes,
    hex(
      '02 01 0000 00000000 20010db8 00000000 00000000 00000010',
      'cf41b640 06eb639f 96725284 11 000000 01bb 0000 00000000 00000000 00000000 00000000',
    ),
  )
})

test('writes PREFER_FAILURE and FILTER behind it (RFC 6887 §13.2, §13.3)', (t) => {
  const filter = { kind: 'filter', ip: '203.0.113.0', prefixLength: 24, port: 0 } as const
  const bytes = encodePcpMap({ ...REQUEST, options: [{ kind: 'prefer-failure' }, filter] })
  t.deepEqual(bytes, join(MAP_REQUEST, PREFER_FAILURE, FILTER))
})

test('writes PEER as MAP with the remote end behind it (RFC 6887 §12.1)', (t) => {
  const remote = transportAddress('203.0.113.9', 3_478, 'tcp')
  const expected = join(MAP_REQUEST, PEER_TAIL)
  expected[1] = 2
  t.deepEqual(encodePcpPeer({ ...REQUEST, remote }), expected)
})

test('THIRD_PARTY is never written, and refused where it is read', (t) => {
  const thirdParty = { kind: 'other', code: 1, data: new Uint8Array(16) } as const
  t.throws(() => encodePcpMap({ ...REQUEST, options: [thirdParty] }), { instanceOf: RangeError })
  t.true(refuses(join(MAP_RESPONSE, hex('01 00 0010'), new Uint8Array(16))))
})

test('reads every field of an answer', (t) => {
  t.deepEqual(decodePcpMapResponse(MAP_RESPONSE), EXPECTED)
})

test('reads an answer’s options: known, unknown, and without their padding at the end', (t) => {
  const { mapping } = decodePcpMapResponse(join(MAP_RESPONSE, PREFER_FAILURE, FILTER, hex('90 00 0001 07')))
  t.deepEqual(mapping?.options, [
    { kind: 'prefer-failure' },
    { kind: 'filter', ip: '203.0.113.0', prefixLength: 24, port: 0 },
    { kind: 'other', code: 0x90, data: hex('07') },
  ])
})

test('reads an answer to PEER', (t) => {
  const bytes = join(MAP_RESPONSE, PEER_TAIL)
  bytes[1] = 0x82
  t.deepEqual(decodePcpMapResponse(bytes).mapping?.remote, { ip: '203.0.113.9', port: 3_478 })
})

test('a failure may end after its header, a success may not', (t) => {
  const refused = Uint8Array.from(MAP_RESPONSE.subarray(0, 24))
  refused[3] = 8
  t.deepEqual(decodePcpMapResponse(refused), { ...EXPECTED, resultCode: 8, mapping: undefined })
  t.true(refuses(MAP_RESPONSE.subarray(0, 24)))
})

test('NAT-PMP’s answer to PCP has no mapping (RFC 6887 Appendix A)', (t) => {
  const answer = decodePcpMapResponse(hex('00 81 0001 0000000a'))
  t.is(answer.version, 0)
  t.is(answer.mapping, undefined)
})

test('refuses other opcodes and protocols, requests, and every truncation of a success', (t) => {
  const changed = (offset: number, value: number) => {
    const bytes = Uint8Array.from(MAP_RESPONSE)
    bytes[offset] = value
    return bytes
  }
  t.true(refuses(changed(1, 0x80)))
  t.true(refuses(changed(1, 0x83)))
  t.true(refuses(changed(36, 132)))
  t.true(refuses(MAP_REQUEST))
  for (let length = 0; length < MAP_RESPONSE.length; length++)
    t.true(refuses(MAP_RESPONSE.subarray(0, length)))
})

test('a FILTER of a wrong length or prefix is refused, wherever it comes from', (t) => {
  t.true(refuses(join(MAP_RESPONSE, hex('03 00 0004 00780000'))))
  const tooLong = join(MAP_RESPONSE, FILTER)
  tooLong[MAP_RESPONSE.length + 5] = 129
  t.true(refuses(tooLong))
})

test('all result codes of RFC 6887 §7.4 have a meaning of their own', (t) => {
  const meanings = Array.from({ length: 14 }, (_, code) => pcpResultMeaning(code))
  t.is(new Set(meanings).size, 14)
  t.is(pcpResultMeaning(200), 'result 200')
})

const ip = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from([0x20, ...bytes.subarray(1)])),
)
const port = fc.integer({ min: 0, max: 65_535 })
const request = fc.record({
  internal: fc
    .tuple(ip, port, fc.constantFrom('udp' as const, 'tcp' as const))
    .map(([bytes, number, transport]) => transportAddress(bytesToIp(bytes), number, transport)),
  nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  lifetimeS: fc.nat(0xffff_ffff),
  externalPort: port,
})

test('a server reads what a client writes, and the client what the server answers', (t) => {
  fc.assert(
    fc.property(request, fc.nat(13), fc.nat(0xffff_ffff), (wanted, resultCode, epochS) => {
      const read = decodePcpRequest(encodePcpMap(wanted))
      t.deepEqual(read?.map?.internal, wanted.internal)
      t.deepEqual(read?.map?.nonce, wanted.nonce)
      t.is(read?.lifetimeS, wanted.lifetimeS)
      const { internal, externalPort, nonce, lifetimeS } = wanted
      const answer = decodePcpMapResponse(
        encodePcpMapResponse({
          resultCode,
          lifetimeS,
          epochS,
          nonce,
          internal,
          externalPort,
          externalIp: internal.ip,
        }),
      )
      t.is(answer.epochS, epochS)
      t.is(answer.resultCode, resultCode)
      t.is(answer.mapping?.externalIp, internal.ip)
      t.is(answer.mapping?.externalPort, externalPort)
    }),
  )
})

test('arbitrary bytes throw only ERR_REACH_DECODE', (t) => {
  const tail = fc.uint8Array({ maxLength: 80 })
  const almost = tail.map((bytes) => join(MAP_RESPONSE, bytes))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 1_200 }), almost), (bytes) => {
      refuses(bytes)
    }),
  )
  t.pass()
})
