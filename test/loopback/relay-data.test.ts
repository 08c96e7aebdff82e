import test from 'ava'
import { SeededRandom } from '../sim/seeded-random.ts'
import { networkOf } from './network-support.ts'
import { dataOf, listenWith, pathBetween, peerOf, until } from './relay-data-support/members.ts'
import { receiveHashed, sendHashed } from './splice-support/hashed-stream.ts'

/* Paths that the relay carries between two members. */

const MIB = 1024 * 1024

test('64 MiB each way arrive whole, and each direction ends by itself', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const [a, b] = await pathBetween(t, alice, bob)
  const [sentByA, gotByB] = await Promise.all([
    sendHashed(a, 64 * MIB, new SeededRandom(1)),
    receiveHashed(b),
  ])
  t.is(gotByB, sentByA)
  // a has ended its direction; the other one still carries everything.
  const [sentByB, gotByA] = await Promise.all([
    sendHashed(b, 64 * MIB, new SeededRandom(2)),
    receiveHashed(a),
  ])
  t.is(gotByA, sentByB)
  await until(() => dataOf(network).counters.paths === 0)
  const { pathsTotal, bytesTotal, waitingLegs } = dataOf(network).counters
  t.deepEqual(
    { pathsTotal, bytesTotal, waitingLegs },
    { pathsTotal: 1, bytesTotal: 128 * MIB, waitingLegs: 0 },
  )
})

test('a member is dialled by its name, and both are told who the other one is', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const seen: string[] = []
  await listenWith(t, bob, (socket) => socket.end('hello'))
  const answer = bob.client.onIncoming
  bob.client.onIncoming = (incoming) => {
    seen.push(`${incoming.name ?? ''} ${incoming.peerId}`)
    answer?.(incoming)
  }
  const { socket, peerId, name } = await alice.client.dial('bob')
  t.teardown(() => socket.destroy())
  t.deepEqual([peerId, name], [bob.membership.certificate.peerId, 'bob'])
  t.deepEqual(seen, [`alice ${alice.membership.certificate.peerId}`])
  t.is(Buffer.concat(await socket.toArray()).toString(), 'hello')
})
