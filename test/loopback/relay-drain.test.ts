import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { joinedNetwork } from '../../cli/commands/joined-network.ts'
import { drainRelay } from '../../cli/commands/relay-drain.ts'
import { Membership } from '../../lib/membership/membership.ts'
import type { PeerEvent } from '../../lib/peer/peer-event.ts'
import type { RelayServer } from '../../relay-server/relay-server.ts'
import type { TestNetwork } from './network-support.ts'
import { joinWith, networkOf, peerOf, runtimeAt } from './network-support.ts'
import { folderOf, openRelay, tcpPort } from './relay-support/relay.ts'
import { digest } from './session-support/hosts.ts'

/** Another relay of a network, that its authority knows of. */
async function secondRelayOf(
  t: ExecutionContext,
  { admin, relay: first }: TestNetwork,
): Promise<RelayServer> {
  const { joinString } = await admin.invite({
    ...{ name: 'second', role: 'relay', uses: 1, expiresInMs: 3_600_000 },
  })
  const { home } = await joinWith(t, joinString)
  const membership = await Membership.open({ home, runtime: runtimeAt() })
  t.teardown(() => membership.close())
  const relay = await openRelay({
    tls: { kind: 'own', home: join(folderOf(t), 'tls'), hosts: ['127.0.0.1'] },
    network: joinedNetwork(membership),
  })
  t.teardown(() => relay.close())
  const { client } = await membership.connect(undefined, [`127.0.0.1:${tcpPort(relay)}`])
  client.close()
  while ((first.network?.network.state().relays.length ?? 0) < 2) await nextTurn() // it is noted after the welcome
  return relay
}

/** Resolves once both relays are connected. */
async function untilUp(events: readonly PeerEvent[]): Promise<void> {
  while (events.filter(({ kind }) => kind === 'relay-up').length < 2) await nextTurn()
}

test('sessions leave a relay that drains before it cuts them: nothing is lost, and it ends as soon as they have', async (t) => {
  const network = await networkOf(t)
  const second = await secondRelayOf(t, network)
  const { peer: alice, events: heardByAlice } = await peerOf(t, network, 'alice')
  const { peer: bob, events } = await peerOf(t, network, 'bob')
  await Promise.all([untilUp(heardByAlice), untilUp(events)])
  await alice.listen('echo', (stream) => void stream.pipe(stream))
  const stream = await bob.connect('alice/echo')
  const idle = await bob.connect('alice/echo')
  const [before] = bob.session('alice').currentPaths
  t.is(before?.via, `127.0.0.1:${network.port}`)

  const startMs = performance.now()
  let isDrained = false
  const drained = network.relay.drain({ graceMs: 60_000 }).then(() => (isDrained = true))
  const came = digest(stream)
  const sent = createHash('sha256')
  for (let i = 0; !isDrained; i++) {
    const piece = Buffer.alloc(50_000, i)
    sent.update(piece)
    if (!stream.write(piece)) await once(stream, 'drain')
    await nextTurn()
  }
  await drained
  t.true(performance.now() - startMs < 30_000, 'long before its grace is over')
  stream.end('the last words')
  t.is((await came).hash, sent.update('the last words').digest('hex'))

  t.is(bob.session('alice').currentPaths[0]?.via, `127.0.0.1:${tcpPort(second)}`)
  t.like(
    events.find(({ kind }) => kind === 'relay-restarting'),
    { relay: `127.0.0.1:${network.port}` },
  )
  t.is(events.filter(({ kind }) => kind === 'relay-restarting').length, 1)
  t.deepEqual(
    [...events, ...heardByAlice].filter(({ kind }) => kind === 'path-lost' || kind === 'session-ended'),
    [],
  )
  idle.end('idle')
  t.is(Buffer.concat(await idle.toArray()).toString(), 'idle')
})

test('where there is no other relay, sessions stay until the relay cuts them', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob, events } = await peerOf(t, network, 'bob')
  await alice.listen('echo', (stream) => void stream.pipe(stream))
  const stream = await bob.connect('alice/echo')
  stream.on('error', () => undefined)
  const startMs = performance.now()
  const drained = network.relay.drain({ graceMs: 3000 })
  stream.write('still here')
  const [answer] = (await once(stream, 'data')) as [Buffer]
  t.is(answer.toString(), 'still here')
  await drained
  t.true(performance.now() - startMs >= 2990)
  while (!events.some(({ kind }) => kind === 'path-lost')) await nextTurn()
  stream.destroy()
})

test('relay up drains for as long as it was told, by default only where there is another relay, and never for nothing', async (t) => {
  const network = await networkOf(t)
  const own = [{ host: '127.0.0.1', port: network.port }]
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  await alice.listen('echo', (stream) => void stream.pipe(stream))
  const said: string[] = []
  const output = {
    event: (event: unknown) => void said.push(JSON.stringify(event)),
    say: (text: string) => void said.push(text),
  }
  const drain = (drainMs: number | undefined, json = false) =>
    drainRelay(network.relay, { drainMs, json }, own, output)

  await drain(60_000) // nothing is carried
  const stream = await bob.connect('alice/echo')
  stream.on('error', () => undefined)
  await drain(undefined) // nowhere to go
  await drain(0)
  t.deepEqual(said, [])
  stream.write('still here')
  t.is(String(((await once(stream, 'data')) as [Buffer])[0]), 'still here')

  await secondRelayOf(t, network)
  const drained = drain(undefined, true)
  t.deepEqual(said, ['{"event":"draining","paths":1,"graceMs":5000}'])
  await network.relay.close() // as a second signal would
  await drained
  stream.destroy()
})
