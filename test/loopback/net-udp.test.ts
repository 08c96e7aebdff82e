import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import test from 'ava'
import type { SendError, UdpPacket, UdpSocket } from '../../lib/base/runtime.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { openUdp } from '../../lib/net/udp-socket.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'

const { network } = nodeRuntime()
const text = (packet: UdpPacket) => new TextDecoder().decode(packet.bytes)
const bytes = (content: string) => new TextEncoder().encode(content)
const nextPacket = (socket: UdpSocket) => new Promise<UdpPacket>((resolve) => (socket.onPacket = resolve))
const nextError = (socket: UdpSocket) => new Promise<SendError>((resolve) => (socket.onSendError = resolve))

/** The first `count` packets, as text. */
function packets(socket: UdpSocket, count: number): Promise<string[]> {
  const seen: string[] = []
  return new Promise((resolve) => {
    socket.onPacket = (packet) => {
      seen.push(text(packet))
      if (seen.length === count) resolve(seen)
    }
  })
}

for (const { family, ip, skipReason } of await loopbackFamilies()) {
  if (skipReason !== undefined) {
    console.log(`skipped UDP tests over ${family}: ${skipReason}`)
    continue
  }

  test(`${family}: a datagram arrives whole, with the sender's address in canonical form`, async (t) => {
    using a = await openUdp({ family, ip })
    using b = await openUdp({ family, ip })
    const arriving = nextPacket(b)
    a.send(bytes('hello'), b.local)
    const packet = await arriving
    t.is(text(packet), 'hello')
    t.deepEqual(packet.from, a.local)
    t.deepEqual(a.local, transportAddress(ip, a.local.port))
    t.true(a.local.port > 0)
  })

  test(`${family}: without an IP it is bound to all addresses`, async (t) => {
    using socket = await openUdp({ family })
    t.is(socket.local.ip, family === 'ipv4' ? '0.0.0.0' : '::')
  })

  test(`${family}: a packet's bytes are a plain Uint8Array of its own memory`, async (t) => {
    using socket = await openUdp({ family, ip })
    const kept: Uint8Array[] = []
    const both = new Promise<void>((resolve) => {
      socket.onPacket = (packet) => {
        kept.push(packet.bytes)
        if (kept.length === 2) resolve()
      }
    })
    socket.send(bytes('first'), socket.local)
    socket.send(bytes('other'), socket.local)
    await both
    t.deepEqual(kept, [bytes('first'), bytes('other')])
    t.false(kept.some((each) => Buffer.isBuffer(each)))
    t.not(kept[0]?.buffer, kept[1]?.buffer)
  })

  test(`${family}: an empty datagram arrives, too`, async (t) => {
    using socket = await openUdp({ family, ip })
    const arriving = nextPacket(socket)
    socket.send(new Uint8Array(), socket.local)
    t.is((await arriving).bytes.length, 0)
  })

  test(`${family}: packets with and without a TTL of their own arrive in order`, async (t) => {
    using socket = await openUdp({ family, ip })
    const arriving = packets(socket, 4)
    socket.send(bytes('1'), socket.local)
    socket.send(bytes('2'), socket.local, { ttl: 2 })
    socket.send(bytes('3'), socket.local)
    socket.send(bytes('4'), socket.local, { ttl: 255 })
    t.deepEqual(await arriving, ['1', '2', '3', '4'])
  })

  test(`${family}: 70,000 bytes are refused with EMSGSIZE, with or without TTL, and the socket lives on`, async (t) => {
    using socket = await openUdp({ family, ip })
    for (const options of [{}, { ttl: 5 }]) {
      const refused = nextError(socket)
      socket.send(new Uint8Array(70_000), socket.local, options)
      t.deepEqual(await refused, { to: socket.local, code: 'EMSGSIZE', length: 70_000 })
    }
    const arriving = nextPacket(socket)
    socket.send(bytes('still here'), socket.local)
    t.is(text(await arriving), 'still here')
  })

  test(`${family}: a TTL out of range is refused with EINVAL, not thrown, and nothing is sent`, async (t) => {
    using socket = await openUdp({ family, ip })
    const arriving = packets(socket, 1)
    for (const ttl of [0, -1, 256]) {
      const refused = nextError(socket)
      socket.send(bytes('never'), socket.local, { ttl })
      t.is((await refused).code, 'EINVAL')
    }
    socket.send(bytes('ordinary'), socket.local)
    t.deepEqual(await arriving, ['ordinary'])
  })

  test(`${family}: an address of the other family is refused with EAFNOSUPPORT`, async (t) => {
    using socket = await openUdp({ family, ip })
    const refused = nextError(socket)
    socket.send(bytes('x'), transportAddress(family === 'ipv4' ? '::1' : '127.0.0.1', 9))
    t.is((await refused).code, 'EAFNOSUPPORT')
  })

  test(`${family}: errors come after send has returned, and nobody has to listen for them`, async (t) => {
    using socket = await openUdp({ family, ip })
    socket.send(new Uint8Array(70_000), socket.local)
    socket.send(bytes('x'), { ...socket.local, port: 0 })
    let isReturned = false
    const refused = new Promise<boolean>((resolve) => (socket.onSendError = () => resolve(isReturned)))
    socket.send(bytes('x'), { ...socket.local, ip: 'nonsense' })
    isReturned = true
    t.true(await refused)
  })

  test(`${family}: a port where nobody listens does not hurt the socket`, async (t) => {
    using socket = await openUdp({ family, ip })
    const gone = await openUdp({ family, ip })
    const nobody = gone.local
    gone.close()
    const arriving = packets(socket, 1)
    for (let i = 0; i < 5; i++) socket.send(bytes('anyone?'), nobody)
    socket.send(bytes('me'), socket.local)
    t.deepEqual(await arriving, ['me'])
  })

  test(`${family}: closing right after sends calls nothing back, and all later calls are harmless`, async (t) => {
    const socket = await openUdp({ family, ip })
    using witness = await openUdp({ family, ip })
    socket.onSendError = () => t.fail('an error after close')
    socket.onPacket = () => t.fail('a packet after close')
    const arriving = packets(witness, 1)
    socket.send(bytes('to myself'), socket.local)
    socket.send(new Uint8Array(70_000), socket.local)
    socket.send(bytes('x'), { ...socket.local, ip: 'nonsense' })
    socket.send(bytes('last words'), witness.local)
    socket.close()
    socket.close()
    socket.send(bytes('too late'), witness.local)
    t.deepEqual(await arriving, ['last words'])
  })

  test(`${family}: a taken port is ERR_REACH_ADDRESS_IN_USE, and free again after close`, async (t) => {
    const first = await openUdp({ family, ip })
    const port = first.local.port
    const error = await t.throwsAsync(openUdp({ family, ip, port }), { code: 'ERR_REACH_ADDRESS_IN_USE' })
    t.regex(error.message, new RegExp(`:${port} is in use`))
    first.close()
    using second = await openUdp({ family, ip, port })
    t.is(second.local.port, port)
  })

  test(`${family}: an address that this host does not have is ERR_REACH_SOCKET with the system's code`, async (t) => {
    const foreign = family === 'ipv4' ? '203.0.113.1' : '2001:db8::1'
    const error = await t.throwsAsync(openUdp({ family, ip: foreign }), { code: 'ERR_REACH_SOCKET' })
    t.like(error, { details: { code: 'EADDRNOTAVAIL' } })
  })

  test(`${family}: the source IP towards loopback is loopback`, async (t) => {
    t.is(await network.sourceIpTowards(transportAddress(ip, 9)), ip)
    t.is(await network.sourceIpTowards(transportAddress(ip, 0)), ip)
  })
}

test('an IPv6 socket leaves the same port to IPv4', async (t) => {
  const [, ipv6] = await loopbackFamilies()
  if (ipv6?.skipReason !== undefined) {
    t.pass(ipv6.skipReason)
    return
  }
  using six = await openUdp({ family: 'ipv6' })
  using four = await openUdp({ family: 'ipv4', port: six.local.port })
  six.onPacket = () => t.fail('an IPv4 packet on an IPv6 socket')
  const arriving = nextPacket(four)
  four.send(bytes('four'), transportAddress('127.0.0.1', four.local.port))
  t.is(text(await arriving), 'four')
})

test('an IP of the other family, or none at all, is a mistake of the caller', async (t) => {
  await t.throwsAsync(openUdp({ family: 'ipv4', ip: '::1' }), { instanceOf: RangeError })
  await t.throwsAsync(openUdp({ family: 'ipv4', ip: 'localhost' }), { code: 'ERR_REACH_ADDRESS' })
  await t.throwsAsync(openUdp({ family: 'ipv4', port: 65_536 }), { code: 'ERR_REACH_ADDRESS' })
})

test('diagnostics tell of sockets and refused datagrams, without addresses', async (t) => {
  const seen: { readonly name: string | symbol; readonly facts: unknown }[] = []
  const names = ['p2p-reach:udp-socket:opened', 'p2p-reach:datagram:refused', 'p2p-reach:udp-socket:closed']
  const listener = (facts: unknown, name: string | symbol) => seen.push({ name, facts })
  for (const name of names) subscribe(name, listener)
  const socket = await openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  const refused = nextError(socket)
  socket.send(new Uint8Array(70_000), socket.local)
  await refused
  socket.close()
  for (const name of names) unsubscribe(name, listener)
  const ours = seen.filter(({ facts }) => JSON.stringify(facts).includes(`"port":${socket.local.port}`))
  t.deepEqual(
    ours.map(({ name }) => name),
    [names[0], names[2]],
  )
  t.true(seen.some(({ name }) => name === names[1]))
  t.false(JSON.stringify(seen).includes('127.0.0.1'))
})
