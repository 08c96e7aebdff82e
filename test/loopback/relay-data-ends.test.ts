import { once } from 'node:events'
import test from 'ava'
import { fromBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { resetConnection } from '../../lib/net/reset-connection.ts'
import type { ControlReply } from '../../lib/protocol/relay/control-reply.ts'
import { networkOf } from './network-support.ts'
import {
  aTicket,
  askToOpen,
  closeOf,
  connectionOf,
  dataOf,
  legOf,
  listenWith,
  nextIncoming,
  nextIncomingReply,
  pathBetween,
  peerIdOf,
  peerOf,
  statusOf,
  until,
} from './relay-data-support/members.ts'

/* What ends registrations, requests and paths: newer connections, revocations, relays that go. */

test('the newest registration of a key wins; the older connection is told, lives on, and its end harms nobody', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const old = await peerOf(t, network, 'bob')
  const young = await connectionOf(t, old.membership)
  const superseded: string[] = []
  old.client.onSuperseded = () => superseded.push('old')
  young.client.onSuperseded = () => superseded.push('young')
  const oldIncoming: unknown[] = []
  const first = await old.client.register()
  t.is(await old.client.register(), first)
  old.client.onIncoming = (incoming) => oldIncoming.push(incoming)
  const second = await listenWith(t, young, (socket) => socket.end('young'))
  t.true(second > first)
  const { stream: socket } = (await alice.client.dial('bob')).leg
  t.is(Buffer.concat(await socket.end().toArray()).toString(), 'young')
  t.deepEqual([superseded, oldIncoming], [['old'], []])
  t.is((await old.client.peers()).length, 1)
  old.control.close()
  await until(() => network.relay.metrics().network?.members === 2)
  t.is((await alice.client.dial('bob')).name, 'bob')
  const [present] = await alice.client.peers()
  t.is(present?.peerId, peerIdOf(old))
  // The young one's own end does count.
  young.control.close()
  await until(() => dataOf(network).counters.registered === 0)
  await t.throwsAsync(alice.client.dial('bob'), { code: 'ERR_REACH_PEER_OFFLINE' })
})

test('two connections that register in turn: each newest one is dialled', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const one = await peerOf(t, network, 'bob')
  const two = await connectionOf(t, one.membership)
  for (const peer of [one, two, one]) {
    const name = peer === one ? 'one' : 'two'
    await listenWith(t, peer, (socket) => socket.end(name))
    const { stream: socket } = (await alice.client.dial('bob')).leg
    t.is(Buffer.concat(await socket.end().toArray()).toString(), name)
  }
})

test('a path outlives the control connections of both sides', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const [a, b] = await pathBetween(t, alice, bob)
  alice.control.close()
  bob.control.close()
  await until(() => network.relay.metrics().network?.members === 0)
  a.end('after')
  t.is(Buffer.concat(await b.toArray()).toString(), 'after')
})

test('one side breaks off: the other one sees a reset, no end', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const [a, b] = await pathBetween(t, alice, bob)
  const failed = once(b, 'error').then(([error]: unknown[]) => (error as { readonly code: string }).code)
  b.resume()
  resetConnection(a)
  t.is(await failed, 'ECONNRESET')
})

for (const who of ['alice', 'bob'] as const) {
  test(`revoking the side that ${who === 'alice' ? 'dialled' : 'was dialled'} cuts its path, its waiting legs and its registration within 2 s; other paths go on`, async (t) => {
    const network = await networkOf(t)
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    const carol = await peerOf(t, network, 'carol')
    const dave = await peerOf(t, network, 'dave')
    const [a, b] = await pathBetween(t, alice, bob)
    const [c, d] = await pathBetween(t, carol, dave)
    const ticket = aTicket()
    await askToOpen(alice, 'bob', ticket)
    const waiting = await legOf(t, network, ticket)
    await until(() => dataOf(network).counters.waitingLegs === 1)
    const ended = Promise.all([a, b].map(closeOf))
    const startMs = Date.now()
    await network.admin.revoke(who, 'lost')
    await ended
    t.is(await statusOf(waiting), 'peer-gone')
    const tookMs = Date.now() - startMs
    t.log(`from revoke to the cut path: ${tookMs} ms`)
    t.is(dataOf(network).counters.registered, who === 'bob' ? 1 : 2)
    const other = who === 'alice' ? bob : alice
    if (who === 'bob') await t.throwsAsync(other.client.dial('bob'), { code: 'ERR_REACH_PEER_UNKNOWN' })
    c.end('still')
    t.is(Buffer.concat(await d.toArray()).toString(), 'still')
  })
}

test('a relay that closes while a path is asked for: the request fails with a code, and nobody is left waiting', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const incoming = nextIncoming(bob)
  await bob.client.register()
  const dialling = alice.client.dial('bob')
  const offered = await incoming
  const restarts: number[] = []
  alice.client.onRestarting = (delayMs) => restarts.push(delayMs)
  const failed = t.throwsAsync(dialling)
  await network.relay.close()
  const error = await failed
  t.true(
    ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE') || ReachError.is(error, 'ERR_REACH_PEER_OFFLINE'),
  )
  t.is((await alice.control.closed).code, 'ERR_REACH_RELAY_UNREACHABLE')
  t.deepEqual(restarts, [1000])
  await t.throwsAsync(offered.accept(), { code: 'ERR_REACH_RELAY_UNREACHABLE' })
  await t.throwsAsync(alice.client.dial('bob'), { code: 'ERR_REACH_RELAY_UNREACHABLE' })
})

test('drain: members are told, new paths refused, waiting ones ended, running ones go on until they end', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const [a, b] = await pathBetween(t, alice, bob)
  const incoming = nextIncomingReply(bob)
  const ticket = aTicket()
  await askToOpen(alice, 'bob', ticket)
  const waiting = await legOf(t, network, ticket)
  await until(() => dataOf(network).counters.waitingLegs === 1)
  const restarting = new Promise<number>((resolve) => (alice.client.onRestarting = resolve))
  const drained = network.relay.drain({ graceMs: 20_000, restartDelayMs: 500 })
  t.is(await restarting, 20_500)
  t.is(await statusOf(waiting), 'draining')
  t.is(await statusOf(await legOf(t, network, fromBase64((await incoming).ticket))), 'draining')
  t.is(await statusOf(await legOf(t, network)), 'draining')
  await t.throwsAsync(alice.client.dial('bob'), {
    code: 'ERR_REACH_RELAY_UNREACHABLE',
    message: /about to end/,
  })
  // Who comes now hears it, too.
  const late = new Promise<ControlReply>((resolve) => {
    void connectionOf(t, bob.membership).then(({ control }) => control.watch(resolve))
  })
  t.deepEqual(await late, { type: 'restarting', delayMs: 20_500 })
  a.end('until the end')
  t.is(Buffer.concat(await b.toArray()).toString(), 'until the end')
  const startMs = Date.now()
  b.end()
  await drained
  t.true(Date.now() - startMs < 15_000, 'long before the grace is over')
  t.is((await alice.control.closed).code, 'ERR_REACH_RELAY_UNREACHABLE')
})

test('drain is over when its grace is, and when somebody closes', async (t) => {
  for (const how of ['grace', 'close'] as const) {
    const network = await networkOf(t)
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    const [a] = await pathBetween(t, alice, bob)
    const cut = closeOf(a)
    const startMs = Date.now()
    const drained = network.relay.drain({ graceMs: how === 'grace' ? 300 : 60_000 })
    if (how === 'close') await network.relay.close()
    await drained
    await cut
    const tookMs = Date.now() - startMs
    t.true(tookMs < 30_000 && (how === 'close' || tookMs >= 290), `${how}: ${tookMs} ms`)
  }
})
