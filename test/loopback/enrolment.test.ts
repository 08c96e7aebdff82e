import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { fromBase64, toBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { makeCertificateRequest } from '../../lib/identity/issue/certificate-request.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import { connectSecurely } from '../../lib/identity/tls/connect-securely.ts'
import { SecureServer } from '../../lib/identity/tls/secure-server.ts'
import { fromWireStatement } from '../../lib/identity/trust/statement.ts'
import { ControlClient } from '../../lib/membership/control-client.ts'
import { joinNetwork } from '../../lib/membership/join-network.ts'
import type { MembershipEvent } from '../../lib/membership/membership-event.ts'
import { keepMembership } from '../../lib/membership/keep-membership.ts'
import { Membership } from '../../lib/membership/membership.ts'
import type { ControlReply } from '../../lib/protocol/relay/control-reply.ts'
import { formatJoinString, parseJoinString } from '../../lib/protocol/relay/join-string.ts'
import { joinWith, memberOf, networkOf, runtimeAt } from './network-support.ts'
import { folderOf } from './relay-support/relay.ts'

/** Keeps a membership; answers when it is connected. `ended` resolves with why it ended. */
async function keep(membership: Membership, signal: AbortSignal) {
  const events: MembershipEvent[] = []
  let connected: () => void = () => undefined
  const isConnected = new Promise<void>((resolve) => (connected = resolve))
  const ended = keepMembership(membership, {
    runtime: runtimeAt(),
    signal,
    onEvent: (event) => {
      events.push(event)
      if (event.kind === 'connected') connected()
    },
  }).catch((error: unknown) => error)
  await isConnected
  return { events, ended }
}

test('a relay that can’t prove the root of the string is never shown the token', async (t) => {
  const mine = await networkOf(t)
  const impostor = await networkOf(t)
  const { rootSha256, tokenId, secret } = parseJoinString(await mine.invite('alice'))
  // Somebody leads the name of the relay to another one.
  const relays = [{ host: '127.0.0.1', port: impostor.port }]
  const joinString = formatJoinString({ rootSha256, tokenId, secret, relays })
  const error = await t.throwsAsync(joinWith(t, joinString))
  t.true(ReachError.is(error, 'ERR_REACH_JOIN_WRONG_ROOT'), String(error))
  await impostor.relay.close()
  t.false(readFileSync(join(impostor.home, 'authority', 'ledger.json'), 'utf8').includes(tokenId))
  t.false(isThere(join(impostor.home, 'authority', 'audit.log')))
  t.is(
    (
      await joinWith(
        t,
        formatJoinString({ rootSha256, tokenId, secret, relays: [{ host: '127.0.0.1', port: mine.port }] }),
      )
    ).name,
    'alice',
  )
})

/** Two ends of a connection. */
async function tcpPair(t: ExecutionContext): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  return [connect(port, '127.0.0.1'), await accepted]
}

function isThere(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}

test('of many that use a string for one at the same time, exactly one gets in', async (t) => {
  const network = await networkOf(t)
  const joinString = await network.invite('alice')
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => joinWith(t, joinString)))
  t.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected')
      t.true(ReachError.is(outcome.reason, 'ERR_REACH_TOKEN_USED'), String(outcome.reason))
  }
})

test('who lost the answer gets it again with the same key; nobody else does, and a wrong secret is like no token', async (t) => {
  const network = await networkOf(t)
  const { tokenId, secret } = parseJoinString(await network.invite('alice'))
  const keys = generateKeyPair()
  const enrol = async (request: Uint8Array, withSecret = secret.reveal()): Promise<string> => {
    const client = await ControlClient.open({
      runtime: runtimeAt(),
      relay: { host: '127.0.0.1', port: network.port },
    })
    try {
      const issued = await client.ask(
        { type: 'enrol', tokenId, secret: withSecret, request: toBase64(request) },
        ['issued'],
      )
      return issued.chain[0] ?? ''
    } catch (error) {
      return ReachError.is(error) ? error.code : 'another error'
    } finally {
      client.close()
    }
  }
  const request = await makeCertificateRequest(keys)
  t.is(await enrol(request, '00'.repeat(16)), 'ERR_REACH_TOKEN_UNKNOWN')
  const first = await enrol(request)
  const second = await enrol(request)
  t.false(first.startsWith('ERR'))
  t.false(second.startsWith('ERR'))
  t.not(first, second)
  t.is(await enrol(await makeCertificateRequest(generateKeyPair())), 'ERR_REACH_TOKEN_USED')
  const forged = Uint8Array.from(request)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  t.is(await enrol(forged), 'ERR_REACH_REQUEST_REFUSED')
})

test('a string for three lets three in, with names of their own', async (t) => {
  const network = await networkOf(t)
  const { joinString } = await network.admin.invite({
    name: 'web',
    role: 'peer',
    uses: 3,
    expiresInMs: 60_000,
  })
  const names = await Promise.all([1, 2, 3].map(async () => (await joinWith(t, joinString)).name))
  t.deepEqual(names.sort(), ['web-1', 'web-2', 'web-3'])
  const error = await t.throwsAsync(joinWith(t, joinString))
  t.true(ReachError.is(error, 'ERR_REACH_TOKEN_USED'))
})

test('revoking a peer ends its live connections at both ends, and is kept on disk', async (t) => {
  const network = await networkOf(t)
  const [alice, bob] = [await memberOf(t, network, 'alice'), await memberOf(t, network, 'bob')]
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const aliceKept = await keep(alice, stop.signal)
  await keep(bob, stop.signal)

  const [left, right] = await tcpPair(t)
  const { clock } = runtimeAt()
  const server = new SecureServer({ credentials: bob.credentials })
  const [ofAlice, ofBob] = await Promise.all([
    connectSecurely(left, {
      clock,
      credentials: alice.credentials,
      trust: alice.trust,
      policy: () => alice.trust.policy({ name: 'bob' }),
    }),
    server.accept(right, { clock, trust: bob.trust, policy: () => bob.trust.policy() }),
  ])
  t.is(ofBob.peer.name, 'alice')
  ofAlice.stream.write('hello')
  const heard: unknown[] = await once(ofBob.stream, 'data')
  t.is(String(heard[0]), 'hello')

  const bobsEnd = once(ofBob.stream, 'error')
  const alicesEnd = new Promise((resolve) =>
    ofAlice.stream.resume().once('end', resolve).once('close', resolve),
  )
  const startMs = clock.nowMs()
  await network.admin.revoke('alice', 'lost notebook')
  const error: unknown[] = await bobsEnd
  t.true(ReachError.is(error[0], 'ERR_REACH_TRUST_REVOKED'), String(error))
  await alicesEnd
  t.log(`from revoke to the dead connection: ${Math.round(clock.nowMs() - startMs)} ms`)
  const ended = await aliceKept.ended
  t.true(ReachError.is(ended, 'ERR_REACH_TRUST_REVOKED'), String(ended))

  // Who starts anew knows it from its own disk.
  const again = await Membership.open({ home: bob.home, runtime: runtimeAt() })
  t.is(again.trust.denyList?.number, 1)
  t.is(again.trust.denyList?.keys[0]?.reason, 'lost notebook')
  t.true(again.trust.denied.has(alice.certificate.spkiSha256))
})

test('a member believes no older deny list and no forged one, and goes on', async (t) => {
  const network = await networkOf(t)
  const bob = await memberOf(t, network, 'bob')
  const push = async (): Promise<ControlReply> => {
    const { client, welcome } = await bob.connect()
    client.close()
    const { denyList } = welcome
    if (denyList === undefined) throw new Error('no deny list')
    return { type: 'deny-list', statement: denyList }
  }
  await memberOf(t, network, 'alice')
  await memberOf(t, network, 'carol')
  await network.admin.revoke('alice', '')
  const first = await push()
  await network.admin.revoke('carol', '')
  await push()
  t.is(bob.trust.denyList?.number, 2)
  const older = await t.throwsAsync(bob.takePush(first))
  t.true(ReachError.is(older, 'ERR_REACH_STATEMENT'))
  if (first.type !== 'deny-list') throw new Error('unreachable')
  const { payload } = first.statement
  const forged = { ...first.statement, payload: payload.replace('"number":1', '"number":9') }
  const refused = await t.throwsAsync(bob.takePush({ type: 'deny-list', statement: forged }))
  t.true(ReachError.is(refused, 'ERR_REACH_STATEMENT'))
  t.is(bob.trust.denyList?.number, 2)
  t.notThrows(() => fromWireStatement(first.statement))
})

test('keys of the network’s CAs and of its relay can’t be revoked like members', async (t) => {
  const network = await networkOf(t)
  const status = await network.admin.status()
  const relay = status.members.find(({ name }) => name === 'relay')
  const own = await t.throwsAsync(network.admin.revoke(relay?.peerId ?? '', ''))
  t.true(ReachError.is(own, 'ERR_REACH_REQUEST_REFUSED'), String(own))
  const issuing = await import('../../lib/identity/certificate/certificate.ts').then(({ Certificate }) =>
    Certificate.decode(fromBase64(status.issuingChain[0] ?? '')),
  )
  const ofCa = await t.throwsAsync(network.admin.revoke(issuing.peerId ?? '', ''))
  t.true(ReachError.is(ofCa, 'ERR_REACH_REQUEST_REFUSED'), String(ofCa))
})

test('what an administrator has opened closes with it', async (t) => {
  const network = await networkOf(t)
  const { joinString } = await network.admin.invite({
    name: 'boss',
    role: 'admin',
    uses: 1,
    expiresInMs: 60_000,
  })
  const { home } = await joinWith(t, joinString)
  const boss = await Membership.open({ home, runtime: runtimeAt() })
  const invited = await boss.administer({
    op: 'invite',
    name: 'friend',
    role: 'admin',
    uses: 1,
    expiresInMs: 60_000,
  })
  await network.admin.revoke('boss', '')
  const error = await t.throwsAsync(joinWith(t, invited.text('joinString')))
  t.true(ReachError.is(error, 'ERR_REACH_TOKEN_UNKNOWN'), String(error))
})

test('roles that a replaced issuing CA gave are gone at once on open connections', async (t) => {
  const network = await networkOf(t)
  const { joinString } = await network.admin.invite({
    name: 'boss',
    role: 'admin',
    uses: 1,
    expiresInMs: 60_000,
  })
  const { home } = await joinWith(t, joinString)
  const boss = await Membership.open({ home, runtime: runtimeAt() })
  const { client } = await boss.connect()
  const ask = () =>
    client.ask({ type: 'admin', id: client.nextId(), request: { op: 'status' } }, ['admin-result'])
  await t.notThrowsAsync(ask())
  await network.admin.replaceIssuer(join(network.home, 'authority', 'root.key'))
  const error = await t.throwsAsync(ask())
  t.true(ReachError.is(error, 'ERR_REACH_TRUST_ROLE'), String(error))
  await boss.renewOn(client)
  client.close()
  // With the new certificate the role is back.
  await t.notThrowsAsync(boss.administer({ op: 'status' }))
})

test('a member that slept through the change of the root follows when it wakes', async (t) => {
  const network = await networkOf(t)
  const sleeper = await memberOf(t, network, 'sleeper')
  const oldKey = join(network.home, 'authority', 'root.key')
  const newKey = join(folderOf(t), 'new.key')
  await network.admin.rotateRoot(oldKey, newKey)
  const inUse = await t.throwsAsync(network.admin.dropOtherRoots(newKey))
  t.true(ReachError.is(inUse, 'ERR_REACH_ROOT_IN_USE'), String(inUse))
  await sleeper.renew()
  t.is(sleeper.trust.network.roots.length, 2)
  await network.admin.dropOtherRoots(newKey)
  // It heard of the new root, not yet that the old one is gone.
  await sleeper.renew()
  t.is(sleeper.trust.network.roots.length, 1)
  const reopened = await Membership.open({ home: sleeper.home, runtime: runtimeAt() })
  await t.notThrowsAsync(reopened.renew())
})

test('a call that is aborted leaves nothing behind', async (t) => {
  const network = await networkOf(t)
  const home = folderOf(t)
  const joinString = await network.invite('alice')
  const reason = new Error('enough')
  await t.throwsAsync(
    joinNetwork({ home, joinString, runtime: runtimeAt(), signal: AbortSignal.abort(reason) }),
    { is: reason },
  )
  t.false(isThere(join(home, 'membership.json')))
  t.is((await joinWith(t, joinString, home)).name, 'alice')
})
