import test from 'ava'
import { formatAddress, transportAddress } from '../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import type { StunAttribute } from '../../lib/protocol/stun/attributes.ts'
import {
  bindingRequest,
  decodeStun,
  findAttribute,
  mappedAddressOf,
} from '../../lib/protocol/stun/message.ts'
import type { StunMessage } from '../../lib/protocol/stun/message.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import { Probe, text } from './virtual-probe.ts'
import type { StunServerOptions } from './virtual-stun-server.ts'

function scene(options: StunServerOptions = {}, natOptions?: NatOptions) {
  const net = new VirtualInternet({ seed: 1 })
  const server = net.stunServer(options)
  const host = net.host(natOptions === undefined ? {} : { behind: net.nat(natOptions) })
  const client = new Probe(net, host)
  /** Asks, and answers with what came back and from where. */
  const ask = (to: TransportAddress, ...attributes: StunAttribute[]) => {
    const before = client.packets.length
    client.send(to, { bytes: bindingRequest(host.runtime.random.bytes(12), attributes) })
    const packet = client.packets[before]
    return packet && { message: decodeStun(packet.bytes), from: packet.from }
  }
  return { net, server, host, client, ask }
}

const change = (ip: boolean, port: boolean): StunAttribute => ({
  type: 'change-request',
  changeIp: ip,
  changePort: port,
})

const mapped = (answer: { message: StunMessage } | undefined) =>
  text(answer === undefined ? undefined : mappedAddressOf(answer.message))

test('it tells a client the address that it is seen with', (t) => {
  const direct = scene()
  t.is(mapped(direct.ask(direct.server.address)), formatAddress(direct.client.address))
  const behind = scene({}, { externalIps: ['192.0.2.50'] })
  t.is(mapped(behind.ask(behind.server.address)), `192.0.2.50:${behind.client.address.port}`)
  t.is(behind.server.requestCount, 1)
})

test('it answers from the corner that a CHANGE-REQUEST names (RFC 5780 §7.2)', (t) => {
  const { server, ask } = scene()
  t.is(text(ask(server.address)?.from), text(server.address))
  t.is(text(ask(server.address, change(false, true))?.from), text(server.corner('alternate-port')))
  t.is(text(ask(server.address, change(true, false))?.from), text(server.corner('alternate-ip')))
  t.is(text(ask(server.address, change(true, true))?.from), text(server.corner('alternate-both')))
  t.is(
    text(ask(server.corner('alternate-ip'), change(true, true))?.from),
    text(server.corner('alternate-port')),
  )
})

test('it names its other address (RFC 5780 §7.4)', (t) => {
  const { server, ask } = scene()
  const answer = ask(server.address)
  const other = answer && findAttribute(answer.message, 'other-address')
  t.deepEqual(other?.address, server.corner('alternate-both'))
})

test('without a second port it names none, and grants no change', (t) => {
  const { server, ask } = scene({ alternatePort: false })
  const answer = ask(server.address)
  t.not(mapped(answer), 'nothing')
  t.is(answer && findAttribute(answer.message, 'other-address'), undefined)
  t.is(ask(server.address, change(true, true))?.message.class, 'error')
  t.throws(() => server.corner('alternate-ip'), { instanceOf: RangeError })
})

test('without a second IP it changes the port alone', (t) => {
  const { server, ask } = scene({ usesAlternateIp: false })
  t.is(text(ask(server.address, change(false, true))?.from), text(server.corner('alternate-port')))
  t.is(ask(server.address, change(true, false))?.message.class, 'error')
})

test('it serves IPv6 where its host has it', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = net.stunServer({ host: { ipv6: 2 } })
  const [, ipv6] = server.addresses
  const client = new Probe(net, net.host({ ipv4: 0, ipv6: 1 }))
  client.send(ipv6 ?? server.address, { bytes: bindingRequest(new Uint8Array(12)) })
  t.deepEqual(mappedAddressOf(decodeStun(client.packets[0]?.bytes ?? new Uint8Array())), client.address)
})

test('a dead server is silent, and may come back', (t) => {
  const { server, ask } = scene()
  server.die()
  t.is(ask(server.address), undefined)
  t.is(ask(server.corner('alternate-both')), undefined)
  server.revive()
  t.not(ask(server.address), undefined)
})

test('a dead corner neither answers nor is answered from', (t) => {
  const { server, ask } = scene({ deadCorners: ['alternate-ip'] })
  t.not(ask(server.address), undefined)
  t.is(ask(server.corner('alternate-ip')), undefined)
  t.is(ask(server.address, change(true, false)), undefined)
  t.not(ask(server.address, change(true, true)), undefined)
})

test('a liar names another address, in every attribute that has it', (t) => {
  const lie = transportAddress('192.0.2.66', 6666)
  const { server, ask } = scene({ lies: () => lie })
  const answer = ask(server.address)
  t.is(mapped(answer), '192.0.2.66:6666')
  const plain = answer && findAttribute(answer.message, 'mapped-address')
  t.true(plain === undefined || plain.address.ip === lie.ip)
})

test('a server of RFC 3489 has no XOR-MAPPED-ADDRESS, and the attributes of its time', (t) => {
  const { server, client, ask } = scene({ dialect: 'rfc3489' })
  const answer = ask(server.address)
  t.deepEqual(
    answer?.message.attributes.map(({ type }) => type),
    ['mapped-address', 'source-address', 'changed-address'],
  )
  t.is(mapped(answer), formatAddress(client.address))
})

test('an ALG on the way spoils the answers of a server of RFC 3489, not those of a later one', (t) => {
  const alg: NatOptions = { alg: 'address-and-port', ports: { kind: 'random' } }
  const old = scene({ dialect: 'rfc3489' }, alg)
  t.is(mapped(old.ask(old.server.address)), text(old.client.address))
  const modern = scene({}, alg)
  t.not(mapped(modern.ask(modern.server.address)), text(modern.client.address))
})

test('answers may come late', (t) => {
  const { net, server, client } = scene({ answerDelayMs: 300 })
  client.socket.send(bindingRequest(new Uint8Array(12)), server.address)
  net.clock.advance(335)
  t.is(client.packets.length, 0)
  net.clock.advance(10)
  t.is(client.packets.length, 1)
})

test('its behaviour can change while the world runs', (t) => {
  const { server, ask } = scene()
  t.not(ask(server.address), undefined)
  server.configure({ deadCorners: ['primary'] })
  t.is(ask(server.address), undefined)
})

test('what is not STUN gets no answer', (t) => {
  const { server, client } = scene()
  client.send(server.address, { bytes: new TextEncoder().encode('hello') })
  t.is(client.packets.length, 0)
})
