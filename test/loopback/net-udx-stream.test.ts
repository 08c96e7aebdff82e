import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import anyTest from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import type { UdpPacket } from '../../lib/base/runtime.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { connectSecurely } from '../../lib/identity/tls/connect-securely.ts'
import { SecureServer } from '../../lib/identity/tls/secure-server.ts'
import { openUdp } from '../../lib/net/udp-socket.ts'
import { loadUdx } from '../../lib/net/udx-native.ts'
import { STREAM_WINDOW_BYTES } from '../../lib/protocol/udp-stream/flow-window.ts'
import { aMember, aNetwork } from '../support/identity.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { closed, readToEnd } from './identity-support/transports.ts'
import {
  bytesOf,
  hashOf,
  openPair,
  openSocket,
  pattern,
  sendAll,
  sha256,
  text,
  whyNoUdx,
} from './udx-support/stream-sockets.ts'

const families = await loopbackFamilies()
const skipReason = await whyNoUdx()
if (skipReason !== undefined) console.log(`skipped streams over UDP: ${skipReason}`)
const test = skipReason === undefined ? anyTest.serial : anyTest.serial.skip
anyTest('streams over UDP can be opened, or a reason why not is printed', async (t) => {
  t.is((await loadUdx()) === undefined, skipReason !== undefined)
})

const errorOf = async (stream: Duplex): Promise<unknown> => ((await once(stream, 'error')) as [unknown])[0]
const codeOf = (error: unknown) => (ReachError.is(error, 'ERR_REACH_SOCKET') ? error.details['code'] : error)

for (const { family, skipReason: noFamily } of families) {
  if (noFamily !== undefined) {
    console.log(`skipped over ${family}: ${noFamily}`)
    continue
  }

  test(`${family}: 64 MiB arrive whole in both directions, with datagrams on the same sockets meanwhile`, async (t) => {
    const { a, b, fromA, fromB } = await openPair(t, family)
    const [there, back] = [pattern(64 << 20, 1), pattern(64 << 20, 2)]
    let datagrams = 0
    b.onPacket = (packet) => {
      t.is(text(packet), 'meanwhile')
      datagrams++
    }
    const hashes = Promise.all([hashOf(fromA), hashOf(fromB)])
    const sending = [sendAll(fromA, there), sendAll(fromB, back, 100_000)]
    fromB.once('data', () => a.send(bytesOf('meanwhile'), b.local))
    await Promise.all(sending)
    t.deepEqual(await hashes, [sha256(back), sha256(there)])
    t.is(datagrams, 1)
    await Promise.all([closed(fromA), closed(fromB)])
  })
}

test('what a path loses, repeats and puts out of order arrives whole all the same', async (t) => {
  const [a, b] = [await openSocket(t), await openSocket(t)]
  using towardsA = await openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  using towardsB = await openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  towardsA.onPacket = spoil(({ bytes }) => towardsB.send(bytes, b.local), 1)
  towardsB.onPacket = spoil(({ bytes }) => towardsA.send(bytes, a.local), 2)
  const fromA = a.openStream({ localId: 51, remoteId: 52, remote: towardsA.local })
  const fromB = b.openStream({ localId: 52, remoteId: 51, remote: towardsB.local })
  const [there, back] = [pattern(8 << 20, 8), pattern(8 << 20, 9)]
  const heard = Promise.all([hashOf(fromA), hashOf(fromB)])
  await Promise.all([sendAll(fromA, there), sendAll(fromB, back, 1000)])
  t.deepEqual(await heard, [sha256(back), sha256(there)])
  await Promise.all([closed(fromA), closed(fromB)])
  t.deepEqual([fromA.errored, fromB.errored], [null, null])
})

/** Of 100 packets, one is lost, one comes twice, and two change places with the next one. */
function spoil(pass: (packet: UdpPacket) => void, seed: number): (packet: UdpPacket) => void {
  let word = seed
  let held: UdpPacket | undefined
  return (packet) => {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
    const lot = Math.floor((word / 2 ** 32) * 100)
    const late = held
    held = undefined
    if (lot >= 2 && lot < 4 && late === undefined) held = packet
    else if (lot !== 0) pass(packet)
    if (lot === 1) pass(packet)
    if (late !== undefined) pass(late)
  }
}

test('each side ends its half alone: what the other one still says, however much, arrives', async (t) => {
  for (const first of ['fromA', 'fromB'] as const) {
    const pair = await openPair(t)
    const [early, late] = first === 'fromA' ? [pair.fromA, pair.fromB] : [pair.fromB, pair.fromA]
    early.end('a question')
    t.is((await readToEnd(late)).toString(), 'a question')
    const answer = pattern(3 * STREAM_WINDOW_BYTES, 3)
    const heard = hashOf(early)
    await sendAll(late, answer)
    t.is(await heard, sha256(answer))
    await Promise.all([closed(early), closed(late)])
    t.deepEqual([early.errored, late.errored], [null, null])
  }
})

test('an end without data, and empty chunks, are nothing special', async (t) => {
  const { fromA, fromB } = await openPair(t)
  fromA.write(new Uint8Array())
  fromA.write('x')
  fromA.write(new Uint8Array())
  fromA.end()
  fromB.end()
  t.is((await readToEnd(fromB)).toString(), 'x')
  t.is((await readToEnd(fromA)).length, 0)
})

test('a reader that stops stops the writer, and both go on where they were', async (t) => {
  const { fromA, fromB } = await openPair(t)
  const bytes = pattern(5 * STREAM_WINDOW_BYTES, 4)
  let taken = 0
  const chunk = 256 << 10
  const sending = (async () => {
    for (let at = 0; at < bytes.length; at += chunk) {
      await new Promise<void>((resolve) => fromA.write(bytes.subarray(at, at + chunk), () => resolve()))
      taken += chunk
    }
    fromA.end()
  })()
  // The window is full when nothing was taken for as long as a bounced datagram needs, many times over.
  const { a, b } = await echoing(t)
  for (let before = -1, still = 0; still < 50; before = taken) {
    a.send(bytesOf('tick'), b.local)
    await new Promise((resolve) => (a.onPacket = resolve))
    still = taken === before && taken > 0 ? still + 1 : 0
  }
  t.true(taken <= STREAM_WINDOW_BYTES + fromB.readableHighWaterMark + chunk, `${taken} bytes were taken`)
  t.true(
    fromB.readableLength <= fromB.readableHighWaterMark + chunk,
    `${fromB.readableLength} wait to be read`,
  )
  const heard = hashOf(fromB)
  await sending
  t.is(await heard, sha256(bytes))
})

/** A socket, and another one that sends back what it hears. */
async function echoing(t: ExecutionContext) {
  const [a, b] = [await openSocket(t), await openSocket(t)]
  b.onPacket = ({ bytes, from }) => b.send(bytes, from)
  return { a, b }
}

test('a side that is destroyed resets the other one, which fails with ECONNRESET', async (t) => {
  const { fromA, fromB } = await openPair(t)
  fromA.write('hello')
  await once(fromB, 'data')
  const failed = errorOf(fromB)
  fromA.destroy()
  t.is(codeOf(await failed), 'ECONNRESET')
  await Promise.all([closed(fromA), closed(fromB)])
})

test('a side that is destroyed with an error tells it to its own user, while data wait in both directions', async (t) => {
  const { fromA, fromB } = await openPair(t)
  fromA.write(new Uint8Array(32 << 20))
  fromB.write(new Uint8Array(32 << 20))
  await once(fromA, 'readable')
  const failures = Promise.all([errorOf(fromA), errorOf(fromB)])
  fromA.destroy(new Error('enough'))
  const [own, others] = await failures
  t.is(own instanceof Error && own.message, 'enough')
  t.is(codeOf(others), 'ECONNRESET')
})

test('a socket that is closed under a stream fails it, and resets the other side', async (t) => {
  const { a, fromA, fromB } = await openPair(t)
  fromA.write('hello')
  await once(fromB, 'data')
  const failures = Promise.all([errorOf(fromA), errorOf(fromB)])
  a.close()
  t.deepEqual((await failures).map(codeOf), ['ECONNABORTED', 'ECONNRESET'])
  await Promise.all([closed(fromA), closed(fromB)])
})

test('an id belongs to one stream of the process at a time, and is free when that is closed', async (t) => {
  const { a, b, fromA } = await openPair(t)
  const options = { localId: 41, remoteId: 42, remote: b.local }
  const stream = a.openStream(options)
  t.throws(() => b.openStream(options), { code: 'ERR_REACH_SOCKET' })
  stream.destroy()
  await closed(stream)
  b.openStream({ ...options, remote: a.local }).destroy()
  for (const id of [-1, 1.5, 2 ** 32]) {
    t.throws(() => a.openStream({ ...options, remoteId: id }), { instanceOf: RangeError })
  }
  t.false(fromA.destroyed)
})

test('a stream to nobody fails by itself when what it sent is not acknowledged', async (t) => {
  const a = await openSocket(t)
  const b = await openSocket(t)
  const stream = a.openStream({ localId: 21, remoteId: 22, remote: b.local })
  b.close()
  stream.write('hello?')
  t.is(codeOf(await errorOf(stream)), 'ETIMEDOUT')
})

test('one that writes before the other side has opened loses nothing', async (t) => {
  const [a, b] = [await openSocket(t), await openSocket(t)]
  const early = a.openStream({ localId: 31, remoteId: 32, remote: b.local })
  const bytes = pattern(1 << 20, 5)
  const sending = sendAll(early, bytes)
  await new Promise((resolve) => setImmediate(resolve))
  const late = b.openStream({ localId: 32, remoteId: 31, remote: a.local })
  t.teardown(() => [early, late].map((stream) => stream.destroy()))
  const heard = hashOf(late)
  await sending
  t.is(await heard, sha256(bytes))
})

/** The other end as somebody would write it who keeps to no frames. */
async function openBare(t: ExecutionContext) {
  const udx = await loadUdx()
  const socket = await openSocket(t)
  if (udx === undefined) throw new Error('no udx-native')
  const bareSocket = udx.createSocket({})
  bareSocket.bind(0, '127.0.0.1')
  const [localId, remoteId] = [nextBareId++, nextBareId++]
  const bare = udx.createStream(remoteId)
  bare.on('error', () => undefined)
  bare.connect(bareSocket, localId, socket.local.port, '127.0.0.1')
  t.teardown(async () => {
    bare.destroy()
    await bareSocket.close()
  })
  const remote = transportAddress('127.0.0.1', bareSocket.address()?.port ?? 0)
  return { bare, stream: socket.openStream({ localId, remoteId, remote }) }
}
let nextBareId = 90_000

const DATA_FRAME = Uint8Array.of(0, 0x10, 0, 0)
const offences: Readonly<Record<string, readonly Uint8Array[]>> = {
  'a frame that does not exist': [Uint8Array.of(9, 0, 0, 0)],
  'credit that nobody spent': [Uint8Array.of(1, 0, 0, 1)],
  'more data than it has credit for': Array.from({ length: 9 }, () => [
    DATA_FRAME,
    new Uint8Array(1 << 20),
  ]).flat(),
}
for (const [what, chunks] of Object.entries(offences)) {
  test(`a peer that sends ${what} is cut off, though nobody reads`, async (t) => {
    const { bare, stream } = await openBare(t)
    const failed = errorOf(stream)
    const gone = new Promise((resolve) => bare.once('close', resolve))
    for (const chunk of chunks) bare.write(chunk)
    t.like(await failed, { code: 'ERR_REACH_DECODE' })
    await gone
  })
}

test('a peer whose stream ends in the middle has not ended it', async (t) => {
  const { bare, stream } = await openBare(t)
  const failed = errorOf(stream)
  stream.resume()
  bare.write(DATA_FRAME)
  bare.write(bytesOf('a torso'))
  bare.end()
  t.like(await failed, { code: 'ERR_REACH_DECODE' })
})

test('mutual TLS runs over it, in records of every size, to both ends', async (t) => {
  const network = await aNetwork()
  const [alice, bob] = [await aMember(network, { name: 'alice' }), await aMember(network, { name: 'bob' })]
  const policy = { network: { domain: network.domain, roots: [network.root] } }
  const options = { clock: new FakeClock(), policy: () => policy }
  const { fromA, fromB } = await openPair(t)
  const [dialling, accepting] = await Promise.all([
    connectSecurely(fromA, { credentials: alice.credentials, ...options }),
    new SecureServer({ credentials: bob.credentials }).accept(fromB, options),
  ])
  t.is(dialling.peer.peerId, bob.keys.peerId)
  t.is(accepting.peer.peerId, alice.keys.peerId)
  const [there, back] = [pattern(24 << 20, 6), pattern(24 << 20, 7)]
  const heard = Promise.all([hashOf(dialling.stream), hashOf(accepting.stream)])
  await Promise.all([sendAll(dialling.stream, there), sendAll(accepting.stream, back, 7_777)])
  t.deepEqual(await heard, [sha256(back), sha256(there)])
  await Promise.all([closed(fromA), closed(fromB)])
})
