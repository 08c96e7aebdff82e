import test from 'ava'
import fc from 'fast-check'
import { formatAddress, transportAddress } from '../../../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import type { StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import { checkFingerprint } from '../../../../lib/protocol/stun/integrity.ts'
import {
  BINDING_METHOD,
  bindingRequest,
  decodeStun,
  encodeStun,
  findAttribute,
  mappedAddressOf,
  unknownComprehensionRequired,
} from '../../../../lib/protocol/stun/message.ts'
import type { DecodedStunMessage, StunMessage } from '../../../../lib/protocol/stun/message.ts'
import { StunServer } from '../../../../lib/protocol/stun/server.ts'
import type { StunServerAddresses, StunServerOptions } from '../../../../lib/protocol/stun/server.ts'
import { allVectors, hex, sampleRequest } from '../../../vectors/rfc5769.ts'
import { aMessage, nearlyARequest } from './arbitraries.ts'

const ID = hex('01020304 05060708 090a0b0c')
const client = transportAddress('198.51.100.9', 4242)
const client6 = transportAddress('2001:db8:9::9', 4242)

const grid4: StunServerAddresses = {
  ip: '203.0.113.1',
  port: 3478,
  alternateIp: '203.0.113.2',
  alternatePort: 3479,
}
const grid6: StunServerAddresses = {
  ip: '2001:db8::1',
  port: 3478,
  alternateIp: '2001:db8::2',
  alternatePort: 3479,
}
const onePort: StunServerAddresses = { ip: '203.0.113.1', port: 3478 }
const twoPorts: StunServerAddresses = { ...onePort, alternatePort: 3479 }

const A1P1 = transportAddress('203.0.113.1', 3478)
const A1P2 = transportAddress('203.0.113.1', 3479)
const A2P1 = transportAddress('203.0.113.2', 3478)
const A2P2 = transportAddress('203.0.113.2', 3479)
const corners = [A1P1, A1P2, A2P1, A2P2]

/** Room for every optional attribute; comprehension-optional, so that it changes nothing else. */
const roomy: StunAttribute = { type: 'software', value: 'p'.repeat(120) }
const change = (changeIp: boolean, changePort: boolean): StunAttribute => ({
  type: 'change-request',
  changeIp,
  changePort,
})

function serverWith(
  addresses: readonly StunServerAddresses[] = [grid4, grid6],
  options: Partial<StunServerOptions> = {},
) {
  return new StunServer({ addresses, software: 'test', ...options })
}

interface Asked {
  readonly server?: StunServer
  readonly from?: TransportAddress
  readonly at?: TransportAddress
  readonly nowMs?: number
}

function ask(bytes: Uint8Array, { server = serverWith(), from = client, at = A1P1, nowMs = 0 }: Asked = {}) {
  const reply = server.handle(bytes, from, at, nowMs)
  return reply === undefined
    ? undefined
    : { ...reply, message: decodeStun(reply.bytes, { transport: from.transport }) }
}

const typesOf = (message: DecodedStunMessage | undefined) => message?.attributes.map(({ type }) => type)
const legacyRequest = (...attributes: StunAttribute[]) =>
  encodeStun({ class: 'request', method: BINDING_METHOD, transactionId: ID, cookie: 0x01020304, attributes })

test('answers a Binding request with all it has, over both families', (t) => {
  for (const [from, at, origin, other] of [
    [client, A1P1, A1P1, A2P2],
    [client6, address6(1, 3478), address6(1, 3478), address6(2, 3479)],
  ] as const) {
    const reply = ask(bindingRequest(ID, [roomy]), { from, at })
    t.deepEqual(reply?.to, from)
    t.deepEqual(reply?.from, at)
    t.is(reply?.message.class, 'success')
    t.deepEqual(reply?.message.transactionId, ID)
    t.deepEqual(reply?.message.attributes, [
      { type: 'xor-mapped-address', address: from },
      { type: 'response-origin', address: origin },
      { type: 'other-address', address: other },
      { type: 'mapped-address', address: from },
      { type: 'software', value: 'test' },
    ])
  }
})

test('answers a bare request of 20 bytes with what clients of RFC 5780 need', (t) => {
  const reply = ask(bindingRequest(ID))
  t.deepEqual(typesOf(reply?.message), ['xor-mapped-address', 'response-origin', 'other-address'])
})

test('answers the sample request of RFC 5769 with a FINGERPRINT of its own', (t) => {
  const reply = ask(sampleRequest.bytes)
  t.deepEqual(typesOf(reply?.message), [
    'xor-mapped-address',
    'response-origin',
    'other-address',
    'mapped-address',
    'software',
    'fingerprint',
  ])
  t.is(reply && checkFingerprint(reply.message), 'valid')
})

test('ignores a request whose FINGERPRINT is wrong, or not the last attribute (RFC 8489 §6.3, §14.7)', (t) => {
  const wrong = Uint8Array.from(sampleRequest.bytes)
  wrong[107] = 0
  t.is(ask(wrong), undefined)
  t.is(ask(bindingRequest(ID, [{ type: 'fingerprint', value: 0 }, roomy])), undefined)
})

for (const [flags, changeIp, changePort] of [
  ['none', false, false],
  ['other port', false, true],
  ['other IP', true, false],
  ['both', true, true],
] as const) {
  test(`answers CHANGE-REQUEST (${flags}) from where RFC 5780 §6.1 table 1 says, on each of four addresses`, (t) => {
    for (const at of corners) {
      const reply = ask(bindingRequest(ID, [change(changeIp, changePort), roomy]), { at })
      const origin = flip(at, changeIp, changePort)
      t.deepEqual(reply?.from, origin)
      t.deepEqual(reply?.to, client)
      t.deepEqual(reply && findAttribute(reply.message, 'response-origin')?.address, origin)
      t.deepEqual(reply && findAttribute(reply.message, 'other-address')?.address, flip(at, true, true))
    }
  })
}

test('does not mix the families up', (t) => {
  const reply = ask(bindingRequest(ID, [change(true, true)]), { from: client6, at: address6(1, 3478) })
  t.deepEqual(reply?.from, address6(2, 3479))
})

test('says 420 to CHANGE-REQUEST without an alternate address (RFC 5780 §6.1), and has no OTHER-ADDRESS', (t) => {
  const server = serverWith([onePort])
  for (const attribute of [change(true, false), change(false, true), change(true, true)]) {
    const reply = ask(bindingRequest(ID, [attribute, roomy]), { server })
    t.deepEqual(reply?.from, A1P1)
    t.deepEqual(reply?.message.attributes, [
      { type: 'error-code', code: 420, reason: 'Unknown Attribute' },
      { type: 'unknown-attributes', numbers: [0x0003] },
    ])
  }
  const plain = ask(bindingRequest(ID, [roomy]), { server })
  t.deepEqual(typesOf(plain?.message), [
    'xor-mapped-address',
    'response-origin',
    'mapped-address',
    'software',
  ])
})

test('with two ports of one IP, tells the other port, but not as OTHER-ADDRESS (RFC 5780 §7.4)', (t) => {
  const server = serverWith([twoPorts])
  for (const [at, other] of [
    [A1P1, 3479],
    [A1P2, 3478],
  ] as const) {
    const reply = ask(bindingRequest(ID), { server, at })
    t.deepEqual(reply?.message.attributes, [
      { type: 'xor-mapped-address', address: client },
      { type: 'response-origin', address: at },
      { type: 'other-port', port: other },
    ])
  }
})

test('with two ports of one IP, grants "change port" and refuses "change IP"', (t) => {
  const server = serverWith([twoPorts])
  const changed = ask(bindingRequest(ID, [change(false, true), roomy]), { server })
  t.deepEqual(changed?.from, A1P2)
  t.deepEqual(changed && findAttribute(changed.message, 'response-origin')?.address, A1P2)
  t.is(changed && findAttribute(changed.message, 'other-port')?.port, 3479, 'the other port of the one asked')
  for (const attribute of [change(true, false), change(true, true)]) {
    t.is(codeOf(ask(bindingRequest(ID, [attribute]), { server })), 420)
  }
})

test('answers CHANGE-REQUEST without flags as if it were not there', (t) => {
  const reply = ask(bindingRequest(ID, [change(false, false)]), { server: serverWith([onePort]) })
  t.is(reply?.message.class, 'success')
})

test('advertises the addresses that clients see, and sends from its own', (t) => {
  const behindNat = { ip: '10.0.0.1', alternateIp: '10.0.0.2', port: 3478, alternatePort: 3479 }
  const server = serverWith([
    { ...behindNat, advertisedIp: '203.0.113.1', advertisedAlternateIp: '203.0.113.2' },
  ])
  const reply = ask(bindingRequest(ID, [change(true, false)]), {
    server,
    at: transportAddress('10.0.0.1', 3478),
  })
  t.deepEqual(reply?.from, transportAddress('10.0.0.2', 3478))
  t.deepEqual(reply && findAttribute(reply.message, 'response-origin')?.address, A2P1)
  t.deepEqual(reply && findAttribute(reply.message, 'other-address')?.address, A2P2)
})

test('does not name an unspecified address as its origin', (t) => {
  const server = serverWith([{ ip: '0.0.0.0', port: 3478, alternatePort: 3479 }])
  const reply = ask(bindingRequest(ID), { server, at: transportAddress('0.0.0.0', 3478) })
  t.deepEqual(typesOf(reply?.message), ['xor-mapped-address', 'other-port'])
})

test('answers to RESPONSE-PORT, and still tells the port that it saw (RFC 5780 §7.5)', (t) => {
  const reply = ask(bindingRequest(ID, [{ type: 'response-port', port: 9999 }, roomy]))
  t.deepEqual(reply?.to, { ...client, port: 9999 })
  t.deepEqual(reply && mappedAddressOf(reply.message), client)
  const both = ask(bindingRequest(ID, [{ type: 'response-port', port: 9999 }, change(true, true)]))
  t.deepEqual(both?.from, A2P2)
  t.deepEqual(both?.to, { ...client, port: 9999 })
})

test('says 400 to RESPONSE-PORT with PADDING (RFC 5780 §6.1) and to port 0, at the port it came from', (t) => {
  const withPadding = bindingRequest(ID, [
    { type: 'response-port', port: 9999 },
    { type: 'padding', length: 100 },
  ])
  for (const bytes of [withPadding, bindingRequest(ID, [{ type: 'response-port', port: 0 }, roomy])]) {
    const reply = ask(bytes)
    t.is(codeOf(reply), 400)
    t.deepEqual(reply?.to, client)
    t.deepEqual(reply?.from, A1P1)
  }
})

test('pads its answer to PADDING to the request’s length, not beyond', (t) => {
  for (const length of [56, 100, 1200, 1472, 9000]) {
    const request = bindingRequest(ID, [{ type: 'padding', length }])
    const reply = ask(request)
    t.is(reply?.bytes.length, request.length)
    t.not(reply && findAttribute(reply.message, 'padding'), undefined)
  }
})

test('lists what it does not know and must (RFC 8489 §6.3.1)', (t) => {
  const unknown = (number: number): StunAttribute => ({ type: 'unknown', number, value: new Uint8Array(4) })
  const request = bindingRequest(ID, [
    unknown(0x7123),
    unknown(0xc123),
    unknown(0x0002),
    unknown(0x7123),
    roomy,
  ])
  t.deepEqual(ask(request)?.message.attributes, [
    { type: 'error-code', code: 420, reason: 'Unknown Attribute' },
    { type: 'unknown-attributes', numbers: [0x7123, 0x0002] },
  ])
})

test('lists at most eight of them', (t) => {
  const many = Array.from({ length: 16_000 }, (_, i): StunAttribute => ({
    type: 'unknown',
    number: 0x4000 + i,
    value: ID.subarray(12),
  }))
  const reply = ask(bindingRequest(ID, many))
  t.deepEqual(
    reply && findAttribute(reply.message, 'unknown-attributes')?.numbers,
    [0x4000, 0x4001, 0x4002, 0x4003, 0x4004, 0x4005, 0x4006, 0x4007],
  )
})

test('does not mind attributes that it knows and does not need', (t) => {
  const request = bindingRequest(ID, [
    { type: 'username', value: 'x' },
    { type: 'realm', value: 'x' },
    { type: 'priority', value: 1 },
    { type: 'use-candidate' },
    { type: 'message-integrity', value: new Uint8Array(20) },
    { type: 'unknown', number: 0x7123, value: ID },
  ])
  t.is(ask(request)?.message.class, 'success', 'what follows MESSAGE-INTEGRITY is ignored (RFC 8489 §14.5)')
})

test('answers a request of RFC 3489 in its terms', (t) => {
  const reply = ask(legacyRequest(change(true, true)))
  t.deepEqual(reply?.from, A2P2)
  t.true(reply?.message.legacy)
  t.is(reply?.message.cookie, 0x01020304)
  t.deepEqual(reply?.message.transactionId, ID)
  t.deepEqual(reply?.message.attributes, [
    { type: 'mapped-address', address: client },
    { type: 'source-address', address: A2P2 },
    { type: 'changed-address', address: A2P2 },
  ])
})

test('does not tell a client of RFC 3489 about a second port, for which it has no attribute', (t) => {
  const reply = ask(legacyRequest(change(false, true)), { server: serverWith([twoPorts]) })
  t.deepEqual(reply?.from, A1P2)
  t.deepEqual(typesOf(reply?.message), ['mapped-address', 'source-address'])
})

test('does not pad what it answers to a client of RFC 3489, which knows no PADDING', (t) => {
  const reply = ask(legacyRequest({ type: 'padding', length: 100 }))
  t.deepEqual(typesOf(reply?.message), ['mapped-address', 'source-address', 'changed-address'])
})

test('puts a FINGERPRINT behind an error when the request had one', (t) => {
  const attributes: StunAttribute[] = [{ type: 'unknown', number: 0x7123, value: ID }, roomy]
  const request = encodeStun(
    { class: 'request', method: 1, transactionId: ID, attributes },
    { fingerprint: true },
  )
  const reply = ask(request)
  t.deepEqual(typesOf(reply?.message), ['error-code', 'unknown-attributes', 'fingerprint'])
  t.is(reply && checkFingerprint(reply.message), 'valid')
})

test('refuses RFC 3489’s RESPONSE-ADDRESS, by which anybody could be hit, with an even list', (t) => {
  const victim: StunAttribute = { type: 'unknown', number: 0x0002, value: hex('0001 0d96 c6336407') }
  const reply = ask(legacyRequest(victim))
  t.deepEqual(reply?.to, client)
  t.deepEqual(reply?.message.attributes, [
    { type: 'error-code', code: 420, reason: '' },
    { type: 'unknown-attributes', numbers: [2, 2] },
  ])
})

test('stays silent to RFC 3489’s CHANGE-REQUEST when it can’t: such clients take an error for the answer', (t) => {
  const server = serverWith([onePort])
  t.is(ask(legacyRequest(change(true, true)), { server }), undefined)
  t.is(ask(legacyRequest(change(false, false)), { server })?.message.class, 'success')
  t.like(server.counters('udp'), { requests: 2, replies: 1, errors: 0, ignored: 1 })
})

test('never answers anything but a Binding request', (t) => {
  const server = serverWith()
  const message = (stunClass: StunMessage['class'], method: number) =>
    encodeStun({ class: stunClass, method, transactionId: ID, attributes: [] })
  const silent = [
    message('indication', 1),
    message('success', 1),
    message('error', 1),
    message('request', 2),
    message('request', 3),
    ...allVectors.filter(({ bytes }) => bytes[0] === 1).map(({ bytes }) => bytes),
    new Uint8Array(0),
    new Uint8Array(1500),
    bindingRequest(ID).subarray(0, 19),
    Uint8Array.from([...bindingRequest(ID), 0, 0, 0, 0]),
    hex('0001 0004 2112a442 01020304 05060708 090a0b0c 0003 0004'),
    hex('0001 0008 2112a442 01020304 05060708 090a0b0c 0003 0002 00060000'),
    hex('0001 0008 2112a442 01020304 05060708 090a0b0c 0027 0003 00060000'),
  ]
  for (const bytes of silent) t.is(ask(bytes, { server }), undefined)
  t.like(server.counters('udp'), { requests: 0, replies: 0, errors: 0, ignored: silent.length })
})

test('never answers its own answers', (t) => {
  const server = serverWith()
  const reply = ask(bindingRequest(ID, [roomy]), { server })
  const error = ask(bindingRequest(ID, [{ type: 'unknown', number: 0x7123, value: ID }]), { server })
  for (const bytes of [reply?.bytes, error?.bytes]) {
    t.not(bytes, undefined)
    if (bytes !== undefined) t.is(ask(bytes, { server, from: A1P1, at: A2P1 }), undefined)
  }
})

test('shows an IPv4 client of a dual-stack socket its IPv4 address', (t) => {
  const server = serverWith([{ ip: '::', port: 3478 }])
  const reply = server.handleUdp(bindingRequest(ID), '::ffff:198.51.100.9', 4242, 0, 0)
  t.deepEqual(reply && mappedAddressOf(decodeStun(reply.bytes)), client)
})

test('answers a link-local client, whose zone stays with the socket', (t) => {
  const reply = serverWith([grid6]).handleUdp(bindingRequest(ID), 'fe80::7%eth0', 4242, 0, 0)
  t.deepEqual(reply && mappedAddressOf(decodeStun(reply.bytes)), transportAddress('fe80::7', 4242))
})

test('answers over TCP with what makes sense there, however short the request', (t) => {
  const from = transportAddress('198.51.100.9', 4242, 'tcp')
  const at = transportAddress('203.0.113.1', 443, 'tcp')
  const reply = ask(bindingRequest(ID), { from, at })
  t.deepEqual(reply?.to, from)
  t.deepEqual(reply?.from, at)
  t.deepEqual(reply?.message.attributes, [
    { type: 'xor-mapped-address', address: from },
    { type: 'response-origin', address: at },
    { type: 'mapped-address', address: from },
    { type: 'software', value: 'test' },
  ])
  t.is(codeOf(ask(bindingRequest(ID, [change(true, true)]), { from, at })), 420)
  t.is(codeOf(ask(bindingRequest(ID, [{ type: 'response-port', port: 9 }]), { from, at })), 400)
  t.is(codeOf(ask(bindingRequest(ID, [{ type: 'unknown', number: 0x7123, value: ID }]), { from, at })), 420)
})

test('advertises over TCP the IP that clients see', (t) => {
  const server = serverWith([{ ip: '10.0.0.1', port: 3478, advertisedIp: '203.0.113.1' }])
  const from = transportAddress('198.51.100.9', 4242, 'tcp')
  const reply = ask(bindingRequest(ID), { server, from, at: transportAddress('10.0.0.1', 443, 'tcp') })
  const origin = reply && findAttribute(reply.message, 'response-origin')?.address
  t.is(origin && formatAddress(origin), '203.0.113.1:443')
})

test('counts what it did, by transport', (t) => {
  const server = serverWith()
  ask(bindingRequest(ID), { server })
  ask(bindingRequest(ID, [{ type: 'unknown', number: 0x7123, value: ID }]), { server })
  ask(new Uint8Array(3), { server })
  ask(bindingRequest(ID), {
    server,
    from: { ...client, transport: 'tcp' },
    at: { ...A1P1, transport: 'tcp' },
  })
  const udp = { requests: 2, replies: 1, errors: 1, ignored: 1, rateLimited: 0, rationLimited: 0 }
  t.deepEqual(server.counters('udp'), udp)
  t.deepEqual(server.counters('tcp'), { ...udp, requests: 1, errors: 0, ignored: 0 })
})

test('gives each reply its own bytes', (t) => {
  const server = serverWith()
  const replies = Array.from({ length: 3000 }, (_, i) =>
    server.handleUdp(bindingRequest(ID, [roomy]), '198.51.100.9', i + 1, 0, i * 1000),
  )
  for (const [i, reply] of replies.entries()) {
    if (i % 100 === 0) t.is(reply && mappedAddressOf(decodeStun(reply.bytes))?.port, i + 1)
  }
})

test('never throws, and answers with something that decodes, whatever arrives', (t) => {
  const server = serverWith([grid4, grid6], { rateLimit: { ratePerS: Infinity, burst: 0, maxSources: 0 } })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    nearlyARequest,
    aMessage.map((message) => encodeStun(message)),
  )
  const from = fc.constantFrom(client, { ...client, transport: 'tcp' as const }, client6)
  fc.assert(
    fc.property(bytes, from, fc.nat(10_000), (packet, source, nowMs) => {
      const at = source === client6 ? address6(2, 3479) : { ...A1P1, transport: source.transport }
      const reply = server.handle(packet, source, at, nowMs)
      if (reply === undefined) return true
      const message = decodeStun(reply.bytes)
      return (
        (message.class === 'success' || message.class === 'error') &&
        unknownComprehensionRequired(message).length === 0 &&
        message.transactionId.join() === packet.subarray(8, 20).join()
      )
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('reads requests as the general decoder does', (t) => {
  const request = aMessage.map((message): StunMessage => ({
    ...message,
    class: 'request',
    method: BINDING_METHOD,
  }))
  const from = { ...client, transport: 'tcp' as const }
  const at = { ...A1P1, transport: 'tcp' as const }
  fc.assert(
    fc.property(request, (message) => {
      const server = serverWith()
      const decoded = decodeStun(encodeStun(message))
      const reply = ask(decoded.raw, { server, from, at })
      const unknown = unknownComprehensionRequired(decoded).slice(0, 8)
      if (unknown.length > 0) {
        const listed = reply && findAttribute(reply.message, 'unknown-attributes')?.numbers
        return listed?.join() === unknown.join()
      }
      const flags = findAttribute(decoded, 'change-request')
      if (flags?.changeIp === true || flags?.changePort === true) return codeOf(reply) === 420
      if (findAttribute(decoded, 'response-port') !== undefined) return codeOf(reply) === 400
      return reply?.message.class === 'success'
    }),
  )
  t.pass()
})

test('refuses to be asked at an address that it does not have', (t) => {
  t.throws(() => ask(bindingRequest(ID), { at: transportAddress('203.0.113.99', 3478) }), {
    instanceOf: RangeError,
  })
  t.throws(() => serverWith().handleUdp(bindingRequest(ID), '198.51.100.9', 1, 8, 0), {
    instanceOf: RangeError,
  })
})

function codeOf(reply: { readonly message: DecodedStunMessage } | undefined): number | undefined {
  return reply && findAttribute(reply.message, 'error-code')?.code
}

function address6(host: 1 | 2, port: number): TransportAddress {
  return transportAddress(`2001:db8::${host}`, port)
}

function flip(at: TransportAddress, changeIp: boolean, changePort: boolean): TransportAddress {
  const ip = changeIp ? (at.ip === A1P1.ip ? A2P1.ip : A1P1.ip) : at.ip
  const port = changePort ? (at.port === 3478 ? 3479 : 3478) : at.port
  return transportAddress(ip, port)
}
