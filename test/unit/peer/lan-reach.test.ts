import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { generateKeyPair } from '../../../lib/identity/keys/key-pair.ts'
import { KnownPeers } from '../../../lib/peer/lan/known-peers.ts'
import { LanReach } from '../../../lib/peer/lan/lan-reach.ts'
import { MulticastLan } from '../../support/multicast-lan.ts'

const bob = generateKeyPair().peerId

function reachOn(lan: MulticastLan, ...relays: readonly string[]): LanReach {
  return new LanReach({
    runtime: lan.host('192.168.1.5', 'fe80::5%eth0').runtime,
    network: 'ab'.repeat(32),
    peerId: generateKeyPair().peerId,
    relays: () => relays,
    listeners: () => Promise.resolve([]),
    onStream: () => undefined,
  })
}

for (const relays of [['127.0.0.1:7000'], ['localhost:7000', '[::1]:7000'], []]) {
  test(`with no relay beyond this host nothing is sent on the LAN: ${relays.join(', ')}`, async (t) => {
    const lan = new MulticastLan()
    const reach = reachOn(lan, ...relays)
    reach.listen()
    t.false(await lan.run(reach.announce()))
    const error = await t.throwsAsync(lan.run(reach.connect(bob, new AbortController().signal)))
    t.true(ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE'))
    await lan.pass(5000)
    t.deepEqual([lan.sent.length, lan.openSockets], [0, 0])
    await reach.close()
  })
}

test('with a relay elsewhere the LAN is asked, and closing gives everything back', async (t) => {
  const lan = new MulticastLan()
  const reach = reachOn(lan, '127.0.0.1:7000', 'relay.example:443')
  reach.listen()
  const error = await t.throwsAsync(lan.run(reach.connect(bob, new AbortController().signal)))
  t.true(ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE'))
  t.true(lan.sent.length > 0)
  t.false(await reach.hears(bob))
  await lan.run(reach.close())
  await lan.pass(10)
  t.deepEqual([lan.openSockets, lan.clock.pendingTimers], [0, 0])
})

async function homeOf(t: ExecutionContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'p2p-reach-known-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  return home
}

test('who was met is known by its name to the next process; the last holder of a name counts', async (t) => {
  const home = await homeOf(t)
  const known = new KnownPeers(home)
  t.is(await known.peerIdOf('bob'), undefined)
  const other = generateKeyPair().peerId
  await known.met('bob', bob)
  await known.met('carol', other)
  t.is(await new KnownPeers(home).peerIdOf('bob'), bob)
  await known.met('bob', other)
  t.is(await new KnownPeers(home).peerIdOf('bob'), other)
  t.is(await new KnownPeers(home).peerIdOf('carol'), other)
})

test('a damaged memory is as good as none', async (t) => {
  const home = await homeOf(t)
  for (const text of [
    '',
    '{',
    '{"schema":"other","peers":[]}',
    '{"schema":"p2p-reach/known-peers/1","peers":7}',
  ]) {
    await writeFile(join(home, 'known-peers.json'), text)
    const known = new KnownPeers(home)
    t.is(await known.peerIdOf('bob'), undefined)
    await known.met('bob', bob)
    t.is(await new KnownPeers(home).peerIdOf('bob'), bob)
  }
})
