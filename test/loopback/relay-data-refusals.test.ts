import { once } from 'node:events'
import test from 'ava'
import { fromBase64 } from '../../lib/base/base64.ts'
import { encodeFrame } from '../../lib/protocol/relay/control-frame.ts'
import { encodeLegHead } from '../../lib/protocol/relay/data-leg.ts'
import { memberOf, networkOf } from './network-support.ts'
import {
  aTicket,
  askToOpen,
  connectionOf,
  dataOf,
  legOf,
  listenWith,
  nextIncoming,
  nextIncomingReply,
  peerIdOf,
  peerOf,
  statusOf,
  until,
} from './relay-data-support/members.ts'
import { connectTo, readToEnd, relayOf, tcpPort } from './relay-support/relay.ts'

/* Paths that come to nothing, and who is told what. */

test('who is dialled in vain: nobody of that name, a member that is away, a key that may be anybody’s', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await memberOf(t, network, 'bob')
  await t.throwsAsync(alice.client.dial('nobody'), { code: 'ERR_REACH_PEER_UNKNOWN' })
  await t.throwsAsync(alice.client.dial('bob'), { code: 'ERR_REACH_PEER_OFFLINE' })
  await t.throwsAsync(alice.client.dial(bob.certificate.peerId ?? ''), { code: 'ERR_REACH_PEER_OFFLINE' })
  // Connected, but takes no sessions.
  const back = await connectionOf(t, bob)
  await t.throwsAsync(alice.client.dial('bob'), { code: 'ERR_REACH_PEER_OFFLINE' })
  // None of this has hurt the connection, and each request failed alone.
  await listenWith(t, back, (socket) => socket.end())
  const [unknown, path] = await Promise.allSettled([alice.client.dial('nobody'), alice.client.dial(' BOB ')])
  t.is(unknown.status, 'rejected')
  t.is(path.status, 'fulfilled')
  if (path.status === 'fulfilled') path.value.leg.stream.destroy()
  const { refusedRequests } = dataOf(network).counters
  t.is(refusedRequests.get('ERR_REACH_PEER_UNKNOWN'), 2)
  t.is(refusedRequests.get('ERR_REACH_PEER_OFFLINE'), 3)
})

test('a leg whose open is refused hears so at once, whichever comes first', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const [first, second] = [aTicket(), aTicket()]
  const early = await legOf(t, network, first)
  await until(() => dataOf(network).counters.waitingLegs === 1)
  await t.throwsAsync(askToOpen(alice, 'nobody', first), { code: 'ERR_REACH_PEER_UNKNOWN' })
  t.is(await statusOf(early), 'peer-gone')
  await t.throwsAsync(askToOpen(alice, 'nobody', second), { code: 'ERR_REACH_PEER_UNKNOWN' })
  t.is(await statusOf(await legOf(t, network, second)), 'peer-gone')
  t.is(dataOf(network).counters.waitingLegs, 0)
})

test('a ticket is good for one leg and one request', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await bob.client.register()
  const ticket = aTicket()
  const incoming = nextIncomingReply(bob)
  await askToOpen(alice, 'bob', ticket)
  await t.throwsAsync(askToOpen(alice, 'bob', ticket), { code: 'ERR_REACH_DECODE' })
  const theirs = fromBase64((await incoming).ticket)
  t.notDeepEqual(theirs, ticket)
  const mine = await legOf(t, network, ticket)
  await until(() => dataOf(network).counters.waitingLegs === 1)
  // A second leg, while the first one waits.
  t.is(await statusOf(await legOf(t, network, ticket)), 'ticket-unknown')
  const other = await legOf(t, network, theirs)
  t.deepEqual(await Promise.all([statusOf(mine), statusOf(other)]), ['go', 'go'])
  // And after both were used.
  t.is(await statusOf(await legOf(t, network, ticket)), 'ticket-unknown')
  t.is(await statusOf(await legOf(t, network, theirs)), 'ticket-unknown')
  await t.throwsAsync(askToOpen(alice, 'bob', ticket), { code: 'ERR_REACH_DECODE' })
  mine.write('still there')
  const [chunk] = (await Promise.all([once(other.resume(), 'data')]))[0] as [Buffer]
  t.is(chunk.toString(), 'still there')
})

test('a leg that nobody vouches for waits a while, then hears that its ticket is unknown', async (t) => {
  const network = await networkOf(t, { dataLimits: { earlyMs: 100 } })
  const leg = await legOf(t, network)
  await until(() => dataOf(network).counters.waitingLegs === 1)
  t.is(await statusOf(leg), 'ticket-unknown')
  t.is(dataOf(network).counters.waitingLegs, 0)
})

test('a request whose leg never comes: the listener is told in time, with a code', async (t) => {
  const network = await networkOf(t, { dataLimits: { timeoutMs: 200 } })
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const incoming = nextIncoming(bob)
  await bob.client.register()
  const opening = await askToOpen(alice, 'BOB')
  t.deepEqual([opening.peerId, opening.name], [peerIdOf(bob), 'bob'])
  await t.throwsAsync((await incoming).accept(), {
    code: 'ERR_REACH_PEER_OFFLINE',
    message: /peer-late/,
  })
})

test('a listener that never brings its leg: the dialling side is told in time, with a code', async (t) => {
  const network = await networkOf(t, { dataLimits: { timeoutMs: 200 } })
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await bob.client.register()
  await t.throwsAsync(alice.client.dial('bob'), { code: 'ERR_REACH_PEER_OFFLINE', message: /peer-late/ })
})

test('a listener that vanishes between open and go: the dialling side is told at once', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const incoming = nextIncoming(bob)
  await bob.client.register()
  const dialling = alice.client.dial('bob')
  await incoming
  const startMs = Date.now()
  bob.control.close()
  await t.throwsAsync(dialling, { code: 'ERR_REACH_PEER_OFFLINE', message: /peer-gone/ })
  t.true(Date.now() - startMs < 1000)
})

test('a leg that ends while it waits, by a goodbye or a reset: the other one is told at once, even if it comes later', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await bob.client.register()
  for (const how of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const incoming = nextIncomingReply(bob)
    const ticket = aTicket()
    await askToOpen(alice, 'bob', ticket)
    const mine = await legOf(t, network, ticket)
    await until(() => dataOf(network).counters.waitingLegs === 1)
    mine[how]()
    await until(() => dataOf(network).counters.waitingLegs === 0)
    t.is(await statusOf(await legOf(t, network, fromBase64((await incoming).ticket))), 'peer-gone', how)
  }
})

test('bytes before go end the leg, and the other side is told', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await bob.client.register()
  for (const isTogether of [true, false]) {
    const incoming = nextIncomingReply(bob)
    const ticket = aTicket()
    await askToOpen(alice, 'bob', ticket)
    const mine = await legOf(t, network, ticket)
    if (!isTogether) await until(() => dataOf(network).counters.waitingLegs === 1)
    mine.write('GET / HTTP/1.1\r\n')
    t.is(await statusOf(mine), 'closed')
    const theirs = await legOf(t, network, fromBase64((await incoming).ticket))
    t.is(await statusOf(theirs), 'peer-gone', isTogether ? 'with the head' : 'later')
    theirs.destroy()
  }
  t.is(dataOf(network).counters.paths, 0)
})

test('a head with another magic is no leg: it is closed without a word, however long it is', async (t) => {
  const network = await networkOf(t)
  for (const bytes of [
    [0xd2, 0x70, 0x32, 0x02],
    [0xd2, 0x00],
    [0xd2, 0x70, 0x32, 0xff, ...aTicket(), 1, 2, 3],
  ]) {
    const socket = await connectTo(t, network.port)
    socket.write(Uint8Array.from(bytes))
    t.deepEqual(await readToEnd(socket), Buffer.alloc(0))
  }
})

test('a head that ends too early is closed, and a relay without a network takes no legs', async (t) => {
  const network = await networkOf(t)
  const socket = await connectTo(t, network.port)
  socket.end(Uint8Array.of(0xd2, 0x70, 0x32, 0x01, 1, 2, 3))
  t.deepEqual(await readToEnd(socket), Buffer.alloc(0))
  await until(() => network.relay.metrics().newcomers === 0)
  t.is(network.relay.metrics().tcpConnections, 0)
  const bare = await relayOf(t)
  const leg = await connectTo(t, tcpPort(bare))
  leg.write(encodeLegHead(aTicket()))
  t.deepEqual(await readToEnd(leg), Buffer.alloc(0))
})

test('more paths than the rate allows are refused, and the connection goes on', async (t) => {
  const network = await networkOf(t, { dataLimits: { openRate: { ratePerS: 0, burst: 2, maxSources: 10 } } })
  const alice = await peerOf(t, network, 'alice')
  const codes = await Promise.all(
    [1, 2, 3].map(() =>
      alice.client.dial('nobody').catch((error: unknown) => (error as { readonly code: string }).code),
    ),
  )
  t.deepEqual(codes, ['ERR_REACH_PEER_UNKNOWN', 'ERR_REACH_PEER_UNKNOWN', 'ERR_REACH_RATE_LIMITED'])
  t.deepEqual(await alice.client.peers(), [])
})

test('requests of the data plane before the proof end the connection', async (t) => {
  const network = await networkOf(t)
  const { connect } = await import('node:tls')
  const socket = connect({
    ...{ host: '127.0.0.1', port: network.port, rejectUnauthorized: false, sigalgs: 'ed25519' },
    ALPNProtocols: ['p2p-reach-control/1'],
  })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  socket.write(encodeFrame({ type: 'peers', id: 1 }))
  const said = (await readToEnd(socket)).toString()
  t.regex(said, /"code":"ERR_REACH_TRUST_NO_CERTIFICATE"/)
  t.notRegex(said, /"peers":/)
})
