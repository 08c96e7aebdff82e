import test from 'ava'
import fc from 'fast-check'
import { bindingRequest, decodeStun, encodeStun } from '../../../../lib/protocol/stun/message.ts'
import type { StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import { StunServer } from '../../../../lib/protocol/stun/server.ts'
import type { StunServerOptions } from '../../../../lib/protocol/stun/server.ts'
import { stunServerDefaults } from '../../../../lib/protocol/stun/server-options.ts'
import { hex } from '../../../vectors/rfc5769.ts'
import { aMessage, nearlyARequest } from './arbitraries.ts'

const ID = hex('01020304 05060708 090a0b0c')
const NO_LIMIT = { ratePerS: Infinity, burst: 0, maxSources: 0 }
const NOTHING = { ratePerS: 0, burst: 0, maxSources: 0 }

function server(options: Partial<StunServerOptions> = {}): StunServer {
  const addresses = [
    { ip: '203.0.113.1', port: 3478, alternateIp: '203.0.113.2', alternatePort: 3479 },
    { ip: '2001:db8::1', port: 3478, alternateIp: '2001:db8::2', alternatePort: 3479 },
  ]
  return new StunServer({ addresses, software: 'a server with a name', ...options })
}

/** Requests of all kinds, from both families (endpoint 0 is IPv4, 4 is IPv6). */
const requests = fc.tuple(
  fc.oneof(
    nearlyARequest,
    aMessage.map((message) => encodeStun({ ...message, class: 'request', method: 1 })),
    aMessage.map((message) => encodeStun({ ...message, class: 'request', method: 1, cookie: 7 })),
  ),
  fc.constantFrom({ ip: '198.51.100.9', endpoint: 0 }, { ip: '2001:db8:9::9', endpoint: 4 }),
)

test('never answers with more bytes than it was asked with, when there is no ration', (t) => {
  const strict = server({ rateLimit: NO_LIMIT, ration: NOTHING })
  fc.assert(
    fc.property(requests, ([bytes, { ip, endpoint }]) => {
      const reply = strict.handleUdp(bytes, ip, 4242, endpoint, 0)
      return reply === undefined || reply.bytes.length <= bytes.length
    }),
    { numRuns: 2000 },
  )
  t.true(strict.counters('udp').replies > 0, 'some were answered')
  t.true(strict.counters('udp').rationLimited > 0, 'some were too short')
})

test('pays for each longer reply from the ration, and never more than the first three attributes', (t) => {
  const noRation = server({ rateLimit: NO_LIMIT, ration: NOTHING })
  const generous = server({ rateLimit: NO_LIMIT, ration: NO_LIMIT })
  fc.assert(
    fc.property(requests, ([bytes, { ip, endpoint }]) => {
      const before = noRation.counters('udp').rationLimited
      noRation.handleUdp(bytes, ip, 4242, endpoint, 0)
      const wasPaid = noRation.counters('udp').rationLimited > before
      const reply = generous.handleUdp(bytes, ip, 4242, endpoint, 0)
      if (reply === undefined || reply.bytes.length <= bytes.length) return !wasPaid
      return wasPaid && reply.bytes.length <= 92
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('gives a source its ration and then silence, until some comes back', (t) => {
  const { burst, ratePerS } = stunServerDefaults.ration
  const strict = server()
  const ask = (nowMs: number, ip = '198.51.100.9') =>
    strict.handleUdp(bindingRequest(ID), ip, 4242, 0, nowMs) !== undefined
  const answered = (nowMs: number, count: number) =>
    Array.from({ length: count }, () => ask(nowMs)).filter(Boolean).length
  t.is(answered(0, 200), burst)
  t.is(strict.counters('udp').rationLimited, 200 - burst)
  t.is(answered(1000, 200), ratePerS)
  t.true(ask(1000, '198.51.100.10'), 'another source has its own')
})

test('still answers requests that are long enough when the ration is used up', (t) => {
  const strict = server({ ration: NOTHING })
  const padded = bindingRequest(ID, [{ type: 'software', value: 'p'.repeat(60) }])
  const types = (bytes: Uint8Array) => {
    const reply = strict.handleUdp(bytes, '198.51.100.9', 4242, 0, 0)
    return reply && decodeStun(reply.bytes).attributes.map(({ type }) => type)
  }
  t.deepEqual(types(padded), ['xor-mapped-address', 'response-origin', 'other-address', 'mapped-address'])
  t.is(strict.counters('udp').rationLimited, 0)
  // 32 bytes: room for the mapped address, not for where it comes from.
  t.deepEqual(types(bindingRequest(ID, [{ type: 'software', value: '12345678' }])), ['xor-mapped-address'])
  t.is(types(bindingRequest(ID, [{ type: 'software', value: '1234' }])), undefined)
  const withFingerprint = encodeStun(
    { class: 'request', method: 1, transactionId: ID, attributes: [{ type: 'software', value: '12345678' }] },
    { fingerprint: true },
  )
  t.deepEqual(types(withFingerprint), ['xor-mapped-address', 'fingerprint'])
  t.is(strict.counters('udp').rationLimited, 3)
})

test('adds the optional attributes one by one as the request grows', (t) => {
  const strict = server()
  const typesAt = (padding: number) => {
    const request = bindingRequest(ID, [{ type: 'software', value: 'p'.repeat(padding) }])
    const reply = strict.handleUdp(request, '198.51.100.9', 4242, 0, 0)
    return (
      reply &&
      decodeStun(reply.bytes)
        .attributes.slice(3)
        .map(({ type }) => type)
    )
  }
  t.deepEqual(typesAt(56 - 24), [])
  t.deepEqual(typesAt(56 - 24 + 8), [])
  t.deepEqual(typesAt(56 - 24 + 12), ['mapped-address'])
  t.deepEqual(typesAt(56 - 24 + 12 + 24), ['mapped-address', 'software'])
})

test('makes errors as short as their request demands', (t) => {
  const unknown: StunAttribute = { type: 'unknown', number: 0x7123, value: new Uint8Array(0) }
  const strict = server({ ration: NOTHING })
  const lengthFor = (padding: number) => {
    const request = bindingRequest(ID, [unknown, { type: 'software', value: 'p'.repeat(padding) }])
    return strict.handleUdp(request, '198.51.100.9', 4242, 0, 0)?.bytes.length
  }
  t.is(lengthFor(4), undefined, '32 bytes can’t hold ERROR-CODE and UNKNOWN-ATTRIBUTES')
  t.is(lengthFor(8), 36)
  t.is(lengthFor(28), 56, 'with the reason phrase')
})

test('limits each source to its rate, and an IPv6 /64 is one source', (t) => {
  const limited = server({ rateLimit: { ratePerS: 10, burst: 5, maxSources: 100 } })
  const request = bindingRequest(ID, [{ type: 'software', value: 'p'.repeat(60) }])
  const answered = (ip: string, endpoint: number, nowMs: number, count = 20) =>
    Array.from({ length: count }, () => limited.handleUdp(request, ip, 4242, endpoint, nowMs)).filter(Boolean)
      .length
  t.is(answered('198.51.100.9', 0, 0), 5)
  t.is(answered('198.51.100.10', 0, 0), 5)
  t.is(answered('198.51.100.9', 0, 300), 3)
  t.is(answered('2001:db8:9:1::1', 4, 0), 5)
  t.is(answered('2001:db8:9:1::2', 4, 0), 0)
  t.is(answered('2001:db8:9:2::1', 4, 0), 5)
  t.is(answered('::ffff:198.51.100.9', 4, 300), 0, 'IPv4-mapped is the IPv4 source')
  t.is(limited.counters('udp').rateLimited, 15 + 15 + 17 + 15 + 20 + 15 + 20)
})

test('limits by source over TCP, too, from the same bucket', (t) => {
  const limited = server({ rateLimit: { ratePerS: 10, burst: 5, maxSources: 100 } })
  const from = { family: 'ipv4', ip: '198.51.100.9', port: 1, transport: 'tcp' } as const
  const at = { family: 'ipv4', ip: '203.0.113.1', port: 443, transport: 'tcp' } as const
  const replies = Array.from({ length: 9 }, () => limited.handleTcp(bindingRequest(ID), from, at, 0))
  t.is(replies.filter(Boolean).length, 5)
  t.is(limited.handleUdp(bindingRequest(ID), '198.51.100.9', 1, 0, 0), undefined)
  t.is(limited.counters('tcp').rateLimited, 4)
})
