import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import anyTest from 'ava'
import type { SendError } from '../../lib/base/runtime.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { openStreamUdp } from '../../lib/net/stream-udp-socket.ts'
import { openUdp } from '../../lib/net/udp-socket.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { bytesOf, openSocket, packets, text, whyNoUdx } from './udx-support/stream-sockets.ts'

const families = await loopbackFamilies()
const skipReason = await whyNoUdx()
if (skipReason !== undefined) console.log(`skipped sockets with streams: ${skipReason}`)
const test = skipReason === undefined ? anyTest : anyTest.skip
anyTest('sockets with streams can be opened, or a reason why not is printed', async (t) => {
  const socket = await openStreamUdp({ family: 'ipv4', ip: '127.0.0.1' })
  t.is(socket === undefined, skipReason !== undefined)
  socket?.close()
})

for (const { family, ip, skipReason: noFamily } of families) {
  if (noFamily !== undefined) {
    console.log(`skipped over ${family}: ${noFamily}`)
    continue
  }

  test(`${family}: datagrams arrive whole and in order, with and without a TTL, at a plain socket and back`, async (t) => {
    const socket = await openSocket(t, family)
    using plain = await openUdp({ family, ip })
    const seen = new Promise<string[]>((resolve) => {
      const texts: string[] = []
      plain.onPacket = (packet) => {
        t.deepEqual(packet.from, socket.local)
        if (texts.push(text(packet)) === 3) resolve(texts)
      }
    })
    socket.send(bytesOf('1'), plain.local)
    socket.send(bytesOf('2'), plain.local, { ttl: 2 })
    socket.send(bytesOf('3'), plain.local)
    t.deepEqual(await seen, ['1', '2', '3'])
    const arriving = packets(socket, 3)
    plain.send(bytesOf('back'), socket.local)
    plain.send(new Uint8Array(), socket.local)
    socket.send(new Uint8Array(), socket.local)
    const [back, ...empty] = await arriving
    t.deepEqual(back?.from, plain.local)
    t.deepEqual(
      empty.map(({ bytes }) => bytes.length),
      [0, 0],
    )
  })

  test(`${family}: a packet's bytes are a plain Uint8Array of its own memory`, async (t) => {
    const socket = await openSocket(t, family)
    const arriving = packets(socket, 200)
    for (let i = 0; i < 200; i++) socket.send(bytesOf(`packet ${i} ${'x'.repeat(1000)}`), socket.local)
    const kept = await arriving
    t.true(kept.every((packet, i) => text(packet).startsWith(`packet ${i} `)))
    t.false(kept.some(({ bytes }) => Buffer.isBuffer(bytes)))
    t.is(new Set(kept.map(({ bytes }) => bytes.buffer)).size, 200)
  })

  test(`${family}: what is refused comes to onSendError after send has returned, and the socket lives on`, async (t) => {
    const socket = await openSocket(t, family)
    const refusal = async (size: number, to = socket.local, options = {}) => {
      let isReturned = false
      const refused = new Promise<SendError>((resolve) => {
        socket.onSendError = (error) => {
          t.true(isReturned)
          resolve(error)
        }
      })
      socket.send(new Uint8Array(size), to, options)
      isReturned = true
      return (await refused).code
    }
    t.is(await refusal(70_000), 'EMSGSIZE')
    for (const ttl of [0, -1, 256, Number.NaN]) t.is(await refusal(1, socket.local, { ttl }), 'EINVAL')
    t.is(await refusal(1, { ...socket.local, port: 0 }), 'EINVAL')
    t.is(await refusal(1, { ...socket.local, ip: 'nonsense' }), 'EINVAL')
    t.is(await refusal(1, transportAddress(family === 'ipv4' ? '::1' : '127.0.0.1', 9)), 'EAFNOSUPPORT')
    const arriving = packets(socket, 1)
    socket.send(bytesOf('still here'), socket.local)
    t.deepEqual((await arriving).map(text), ['still here'])
  })

  test(`${family}: a taken port is ERR_REACH_ADDRESS_IN_USE, and free again after close`, async (t) => {
    const first = await openSocket(t, family)
    const { port } = first.local
    await t.throwsAsync(openStreamUdp({ family, ip, port }), { code: 'ERR_REACH_ADDRESS_IN_USE' })
    first.close()
    const second = await openStreamUdp({ family, ip, port })
    t.is(second?.local.port, port)
    second?.close()
  })

  test(`${family}: an address that this host does not have is ERR_REACH_SOCKET`, async (t) => {
    const foreign = family === 'ipv4' ? '203.0.113.1' : '2001:db8::1'
    await t.throwsAsync(openStreamUdp({ family, ip: foreign }), { code: 'ERR_REACH_SOCKET' })
  })

  test(`${family}: closing right after sends calls nothing back, and all later calls are harmless`, async (t) => {
    const socket = await openSocket(t, family)
    const witness = await openSocket(t, family)
    socket.onSendError = () => t.fail('an error after close')
    socket.onPacket = () => t.fail('a packet after close')
    const arriving = packets(witness, 1)
    socket.send(bytesOf('to myself'), socket.local)
    socket.send(new Uint8Array(70_000), socket.local)
    socket.send(bytesOf('last words'), witness.local)
    socket.close()
    socket.close()
    socket.send(bytesOf('too late'), witness.local)
    t.deepEqual((await arriving).map(text), ['last words'])
    t.throws(() => socket.openStream({ localId: 1, remoteId: 2, remote: witness.local }), {
      code: 'ERR_REACH_SOCKET',
    })
  })
}

test('packets of streams that are not open here are dropped and counted, and reach nobody', async (t) => {
  const socket = await openSocket(t)
  const sender = await openSocket(t)
  const dropped: unknown[] = []
  const onDropped = (facts: unknown) => dropped.push(facts)
  subscribe('p2p-reach:datagram:dropped', onDropped)
  t.teardown(() => unsubscribe('p2p-reach:datagram:dropped', onDropped))
  const heard = packets(socket, 1)
  sender.send(Uint8Array.of(0xff, 1, 2, 3), socket.local)
  const stream = sender.openStream({ localId: 11, remoteId: 4_000_000_000, remote: socket.local })
  stream.on('error', () => undefined)
  stream.write('is anybody there?')
  // It repeats what nobody acknowledges.
  while (dropped.length < 3) await new Promise((resolve) => setImmediate(resolve))
  sender.send(bytesOf('ordinary'), socket.local)
  t.deepEqual((await heard).map(text), ['ordinary'])
  t.deepEqual(dropped[0], { family: 'ipv4', lengthBytes: 4 })
  stream.destroy()
})

test('256 sockets are open at once, hear and answer, and close', async (t) => {
  const sockets = await Promise.all(Array.from({ length: 256 }, () => openSocket(t)))
  t.is(new Set(sockets.map(({ local }) => local.port)).size, 256)
  const hub = await openSocket(t)
  const answered = Promise.all(sockets.map((socket) => packets(socket, 1)))
  hub.onPacket = ({ from }) => hub.send(bytesOf(String(from.port)), from)
  for (const socket of sockets) socket.send(bytesOf('punch'), hub.local, { ttl: 64 })
  const ports = (await answered).map(([packet]) => packet !== undefined && text(packet))
  t.deepEqual(
    ports,
    sockets.map(({ local }) => String(local.port)),
  )
  for (const socket of sockets) socket.close()
  const again = await openStreamUdp({ family: 'ipv4', ip: '127.0.0.1', port: sockets[255]?.local.port ?? 0 })
  t.truthy(again)
  again?.close()
})

test('a process that has closed everything ends by itself', async (t) => {
  const script = new URL('udx-support/exit-main.js', import.meta.url).pathname
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (printed += part))
  const [code] = (await once(child, 'close')) as [number | null]
  t.is(code, 0)
  t.deepEqual(JSON.parse(printed), { received: 'all of it', left: [] })
})
