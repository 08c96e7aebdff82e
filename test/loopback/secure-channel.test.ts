import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Duplex } from 'node:stream'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { ErrorCode } from '../../lib/base/errors.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { selfSignedCertificate } from '../../lib/identity/issue/certificate-profiles.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import { connectSecurely } from '../../lib/identity/tls/connect-securely.ts'
import type { SecureChannel, SecureChannelOptions } from '../../lib/identity/tls/secure-channel.ts'
import { HANDSHAKE_TIMEOUT_MS, PEER_ALPN } from '../../lib/identity/tls/secure-channel.ts'
import { SecureServer } from '../../lib/identity/tls/secure-server.ts'
import { encodeAccepted } from '../../lib/identity/tls/verdict.ts'
import type { DenyList } from '../../lib/identity/trust/deny-list.ts'
import { signDenyList } from '../../lib/identity/trust/deny-list.ts'
import { readStoredRootSet, signRootSet } from '../../lib/identity/trust/root-set.ts'
import type { TrustPolicy } from '../../lib/identity/trust/trust-policy.ts'
import { TrustStore } from '../../lib/identity/trust/trust-store.ts'
import type { TestMember } from '../support/identity.ts'
import {
  HOUR_MS,
  NOW_MS,
  aCertificate,
  aMember,
  aNetwork,
  memberNames,
  memberOf,
  newKey,
  rejection,
} from '../support/identity.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import type { TransportPair } from './identity-support/transports.ts'
import {
  closed,
  noTimerIsLeft,
  readBytes,
  readToEnd,
  tcpPair,
  transportKinds,
} from './identity-support/transports.ts'

const network = await aNetwork()
const foreign = await aNetwork('foreign.example')
const trustOfNetwork = { domain: network.domain, roots: [network.root] }
const relay = await aMember(network, { name: 'relay-1', roles: ['relay'] })
const alice = await aMember(network, { name: 'alice' })
const everybody: TrustPolicy = { network: trustOfNetwork }

/** One side of a handshake. */
interface Side {
  readonly member: TestMember
  readonly policy: TrustPolicy
  readonly options?: Partial<SecureChannelOptions>
}

interface Outcome {
  readonly dialling: PromiseSettledResult<SecureChannel>
  readonly dialled: PromiseSettledResult<SecureChannel>
}

function sideOptions(clock: FakeClock, { policy, options }: Side): SecureChannelOptions {
  return { clock, policy: () => policy, ...options }
}

/** Both sides to the end. */
async function handshake(
  pair: TransportPair,
  clock: FakeClock,
  dialling: Side,
  dialled: Side,
): Promise<Outcome> {
  const server = new SecureServer({ credentials: dialled.member.credentials })
  const { credentials } = dialling.member
  const [one, other] = await Promise.allSettled([
    connectSecurely(pair.dialling, { credentials, ...sideOptions(clock, dialling) }),
    server.accept(pair.dialled, sideOptions(clock, dialled)),
  ])
  return { dialling: one, dialled: other }
}

/** Two sides that accept each other. */
async function aChannel(
  pair: TransportPair,
  clock: FakeClock,
  dialling: Side = { member: alice, policy: everybody },
  dialled: Side = { member: relay, policy: everybody },
): Promise<{ readonly dialling: SecureChannel; readonly dialled: SecureChannel }> {
  const outcome = await handshake(pair, clock, dialling, dialled)
  return { dialling: channelOf(outcome.dialling), dialled: channelOf(outcome.dialled) }
}

function channelOf(result: PromiseSettledResult<SecureChannel>): SecureChannel {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

function errorOf(t: ExecutionContext, result: PromiseSettledResult<SecureChannel>): ReachError {
  const reason: unknown = result.status === 'rejected' ? result.reason : undefined
  if (ReachError.is(reason)) return reason
  t.fail(result.status === 'rejected' ? String(reason) : 'it was accepted')
  return new ReachError('ERR_REACH_UNREACHABLE_CODE', 'no error')
}

/** Somebody who is refused, and by whom. */
interface Refusal {
  readonly title: string
  readonly subject: TestMember
  readonly policy: TrustPolicy
  readonly code: ErrorCode
}

async function oddMember(
  options: Parameters<typeof aCertificate>[0],
  above: readonly Certificate[],
): Promise<TestMember> {
  const keys = generateKeyPair()
  const { certificate } = await aCertificate({
    ...memberNames('alice', network.domain),
    key: keys.privateKey,
    issuer: network.issuer,
    ...options,
  })
  return memberOf(keys, [certificate, ...above])
}

async function refusals(): Promise<readonly Refusal[]> {
  const keys = generateKeyPair()
  const other = generateKeyPair().peerId
  const curve = newKey('P-256')
  const onCurve = await aCertificate({
    ...memberNames('alice', network.domain),
    key: curve,
    issuer: network.issuer,
  })
  return [
    {
      title: 'a stranger’s self-signed certificate',
      subject: memberOf(keys, [await selfSignedCertificate(keys, NOW_MS)]),
      policy: everybody,
      code: 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
    },
    {
      title: 'an expired certificate',
      subject: await aMember(network, { issuedAtMs: NOW_MS - 30 * HOUR_MS }),
      policy: everybody,
      code: 'ERR_REACH_TRUST_EXPIRED',
    },
    {
      title: 'a certificate of tomorrow',
      subject: await aMember(network, { issuedAtMs: NOW_MS + HOUR_MS }),
      policy: everybody,
      code: 'ERR_REACH_TRUST_NOT_YET_VALID',
    },
    {
      title: 'a member of another network',
      subject: await aMember(foreign),
      policy: everybody,
      code: 'ERR_REACH_TRUST_OTHER_NETWORK',
    },
    {
      title: 'the right name with another key',
      subject: alice,
      policy: { ...everybody, peerId: other, name: 'alice' },
      code: 'ERR_REACH_TRUST_WRONG_KEY',
    },
    {
      title: 'the right key with another name',
      subject: alice,
      policy: { ...everybody, peerId: alice.keys.peerId, name: 'bob' },
      code: 'ERR_REACH_TRUST_WRONG_NAME',
    },
    {
      title: 'a revoked key',
      subject: alice,
      policy: { ...everybody, denied: new Set([alice.leaf.spkiSha256]) },
      code: 'ERR_REACH_TRUST_REVOKED',
    },
    {
      title: 'a member without the role that is needed',
      subject: alice,
      policy: { ...everybody, role: 'relay' },
      code: 'ERR_REACH_TRUST_ROLE',
    },
    {
      title: 'a chain whose intermediate breaks its name constraint',
      subject: await oddMember(memberNames('alice', 'elsewhere.example'), [network.intermediate]),
      policy: everybody,
      code: 'ERR_REACH_TRUST_NAME_CONSTRAINT',
    },
    {
      title: 'a certificate for another purpose',
      subject: await oddMember({ purposes: ['1.3.6.1.5.5.7.3.1'] }, [network.intermediate]),
      policy: everybody,
      code: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a chain without its intermediate',
      subject: await aMember(network, { above: [] }),
      policy: everybody,
      code: 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
    },
    {
      title: 'a key of another type',
      subject: {
        ...alice,
        leaf: onCurve.certificate,
        credentials: { chain: [onCurve.certificate, network.intermediate], privateKey: curve },
      },
      policy: everybody,
      code: 'ERR_REACH_TRUST_CHAIN',
    },
  ]
}

const refused = await refusals()

for (const { title: over, open } of transportKinds) {
  for (const { title, subject, policy, code } of refused) {
    for (const judge of ['dialled', 'dialling'] as const) {
      test(`over ${over}, ${title} is refused by who ${judge === 'dialled' ? 'was dialled' : 'dials'}, and both know why`, async (t) => {
        const clock = new FakeClock()
        const pair = await open(t)
        const trusting: Side = { member: subject, policy: everybody }
        const judging: Side = { member: relay, policy }
        const outcome =
          judge === 'dialled'
            ? await handshake(pair, clock, trusting, judging)
            : await handshake(pair, clock, judging, trusting)
        const [ours, theirs] =
          judge === 'dialled' ? [outcome.dialled, outcome.dialling] : [outcome.dialling, outcome.dialled]
        const [mine, told] = [errorOf(t, ours), errorOf(t, theirs)]
        t.is(mine.code, code, mine.message)
        t.is(mine.details['by'], 'us')
        t.is(told.code, code, told.message)
        t.is(told.details['by'], 'remote')
        await Promise.all([closed(pair.dialling), closed(pair.dialled)])
        await noTimerIsLeft(t, clock)
      })
    }
  }

  test(`over ${over}, two that accept each other know who the other is, and what they send arrives`, async (t) => {
    const clock = new FakeClock()
    const pair = await open(t)
    const channel = await aChannel(pair, clock)
    t.is(channel.dialled.peer.peerId, alice.keys.peerId)
    t.is(channel.dialled.peer.name, 'alice')
    t.is(channel.dialling.peer.peerId, relay.keys.peerId)
    t.deepEqual(channel.dialling.peer.roles, ['relay'])
    t.is(channel.dialling.peer.keys.length, 3, 'the whole path was seen by who dialled')
    t.is(channel.dialled.peer.keys.length, 3, 'and by who was dialled')
    const bytes = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31) & 0xff))
    const [atDialled, atDialling] = [readToEnd(channel.dialled.stream), readToEnd(channel.dialling.stream)]
    channel.dialling.stream.end(bytes)
    channel.dialled.stream.end(bytes)
    t.true((await atDialled).equals(bytes))
    t.true((await atDialling).equals(bytes))
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, half-close works: who has ended its half still hears the answer`, async (t) => {
    const channel = await aChannel(await open(t), new FakeClock())
    const answer = readToEnd(channel.dialling.stream)
    channel.dialling.stream.end('question')
    t.is((await readToEnd(channel.dialled.stream)).toString(), 'question')
    channel.dialled.stream.end('answer')
    t.is((await answer).toString(), 'answer')
  })

  test(`over ${over}, each refuses the other for its own reason`, async (t) => {
    const clock = new FakeClock()
    const pair = await open(t)
    const { dialling, dialled } = await handshake(
      pair,
      clock,
      { member: alice, policy: { ...everybody, role: 'admin' } },
      { member: relay, policy: { ...everybody, name: 'bob' } },
    )
    t.is(errorOf(t, dialling).code, 'ERR_REACH_TRUST_ROLE')
    t.is(errorOf(t, dialled).code, 'ERR_REACH_TRUST_WRONG_NAME')
    await Promise.all([closed(pair.dialling), closed(pair.dialled)])
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, peers that pin each other need no network`, async (t) => {
    const [one, other] = [generateKeyPair(), generateKeyPair()]
    const sideOf = async (keys: typeof one, peer: typeof one): Promise<Side> => ({
      member: memberOf(keys, [await selfSignedCertificate(keys, NOW_MS)]),
      policy: { pinned: new Set([peer.peerId]) },
    })
    const channel = await aChannel(
      await open(t),
      new FakeClock(),
      await sideOf(one, other),
      await sideOf(other, one),
    )
    t.is(channel.dialled.peer.by, 'key')
    t.is(channel.dialled.peer.peerId, one.peerId)
    t.is(channel.dialling.peer.peerId, other.peerId)
  })

  test(`over ${over}, 200 at once each get their own channel with the right peer`, async (t) => {
    const clock = new FakeClock()
    const server = new SecureServer({ credentials: relay.credentials })
    const members = await Promise.all(
      Array.from({ length: 10 }, (_, i) => aMember(network, { name: `peer-${i}` })),
    )
    const rounds = Array.from({ length: 200 }, async (_, i) => {
      const member = members[i % members.length] ?? alice
      const pair = await open(t)
      const accepting = server.accept(pair.dialled, sideOptions(clock, { member: relay, policy: everybody }))
      const dialling = connectSecurely(pair.dialling, {
        credentials: member.credentials,
        ...sideOptions(clock, { member, policy: { ...everybody, role: 'relay' } }),
      })
      const [here, there] = await Promise.all([accepting, dialling])
      const text = `from ${member.keys.peerId} ${i}`
      const read = readToEnd(here.stream)
      there.stream.end(text)
      t.is((await read).toString(), text)
      t.is(here.peer.peerId, member.keys.peerId)
      t.is(here.peer.name, `peer-${i % members.length}`)
      here.stream.destroy()
      there.stream.destroy()
    })
    await Promise.all(rounds)
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, a key that is denied ends the live channel on both ends`, async (t) => {
    const clock = new FakeClock()
    const trust = aTrustStore()
    const channel = await aChannel(
      await open(t),
      clock,
      { member: alice, policy: everybody },
      { member: relay, policy: trust.policy(), options: { trust } },
    )
    const failure = new Promise<unknown>((resolve) => channel.dialled.stream.once('error', resolve))
    const arrived = collect(channel.dialled.stream)
    const end = new Promise<void>((resolve) => {
      channel.dialling.stream.resume().once('end', resolve).once('error', resolve).once('close', resolve)
    })
    t.true(trust.applyDenyList(denyList(1, ['00'.repeat(32)]), NOW_MS))
    t.false(channel.dialled.stream.destroyed, 'the key of somebody else')
    t.true(trust.applyDenyList(denyList(2, [alice.leaf.spkiSha256]), NOW_MS))
    channel.dialling.stream.on('error', () => undefined).write('too late')
    const error = await failure
    t.true(ReachError.is(error, 'ERR_REACH_TRUST_REVOKED'), String(error))
    await end
    t.is(arrived.text(), '')
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, a key that is denied during the handshake gets no channel`, async (t) => {
    const clock = new FakeClock()
    const trust = aTrustStore()
    const pair = await open(t)
    const policy = () => {
      queueMicrotask(() => trust.applyDenyList(denyList(1, [alice.leaf.spkiSha256]), NOW_MS))
      return everybody
    }
    const { dialling, dialled } = await handshake(
      pair,
      clock,
      { member: alice, policy: everybody },
      { member: relay, policy: everybody, options: { trust, policy } },
    )
    t.is(errorOf(t, dialled).code, 'ERR_REACH_TRUST_REVOKED')
    if (dialling.status === 'fulfilled') {
      const arrived = await readToEnd(dialling.value.stream).catch(() => Buffer.alloc(0))
      t.is(arrived.toString(), '', 'no verdict comes after the verdict')
    }
    await closed(pair.dialled)
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, aborting rejects with the reason and destroys the transport`, async (t) => {
    const clock = new FakeClock()
    for (const when of ['before', 'during'] as const) {
      const pair = await open(t)
      const controller = new AbortController()
      const reason = new Error('enough')
      if (when === 'before') controller.abort(reason)
      const options = {
        ...sideOptions(clock, { member: alice, policy: everybody }),
        signal: controller.signal,
      }
      const server = new SecureServer({ credentials: relay.credentials })
      const dialling = connectSecurely(pair.dialling, { credentials: alice.credentials, ...options })
      const accepting = server.accept((await open(t)).dialled, options)
      if (when === 'during') controller.abort(reason)
      t.is(await t.throwsAsync(dialling), reason)
      t.is(await t.throwsAsync(accepting), reason)
      await closed(pair.dialling)
      await noTimerIsLeft(t, clock)
    }
  })

  test(`over ${over}, one that vanishes in the middle is ERR_REACH_TLS for the other`, async (t) => {
    const clock = new FakeClock()
    const options = sideOptions(clock, { member: alice, policy: everybody })
    const one = await open(t)
    const dialling = connectSecurely(one.dialling, { credentials: alice.credentials, ...options })
    one.dialled.once('data', () => one.dialled.destroy())
    await rejection(t, dialling, 'ERR_REACH_TLS', /closed/)
    const other = await open(t)
    const accepting = new SecureServer({ credentials: relay.credentials }).accept(other.dialled, options)
    other.dialling.destroy()
    await rejection(t, accepting, 'ERR_REACH_TLS', /closed/)
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, a transport that is closed already is ERR_REACH_TLS, not a wait for the timeout`, async (t) => {
    const clock = new FakeClock()
    const options = sideOptions(clock, { member: alice, policy: everybody })
    const { dialling, dialled } = await open(t)
    const gone = Promise.all([closed(dialling), closed(dialled)])
    dialling.destroy()
    dialled.destroy()
    await gone
    const server = new SecureServer({ credentials: relay.credentials })
    await rejection(t, server.accept(dialled, options), 'ERR_REACH_TLS', /closed/)
    await rejection(
      t,
      connectSecurely(dialling, { credentials: alice.credentials, ...options }),
      'ERR_REACH_TLS',
    )
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, what is no TLS is told as such`, async (t) => {
    const clock = new FakeClock()
    const { dialling, dialled } = await open(t)
    const accepting = new SecureServer({ credentials: relay.credentials }).accept(
      dialled,
      sideOptions(clock, { member: relay, policy: everybody }),
    )
    dialling.write('GET / HTTP/1.1\r\nHost: relay\r\n\r\n')
    await rejection(t, accepting, 'ERR_REACH_TLS', /plain HTTP/)
    await closed(dialled)
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, another protocol inside TLS (ALPN, RFC 7301) is refused on both ends`, async (t) => {
    const clock = new FakeClock()
    const { dialling, dialled } = await open(t)
    const options = sideOptions(clock, { member: alice, policy: everybody })
    const server = new SecureServer({ credentials: relay.credentials, alpn: 'other/1' })
    const [one, other] = await Promise.allSettled([
      connectSecurely(dialling, { credentials: alice.credentials, ...options }),
      server.accept(dialled, options),
    ])
    for (const result of [one, other]) {
      const error = errorOf(t, result)
      t.is(error.code, 'ERR_REACH_TLS')
      t.regex(error.message, /speaks another protocol/)
    }
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, a TLS 1.2 client is refused: ERR_REACH_TLS_VERSION here, an alert there (RFC 8446 §4.2.1)`, async (t) => {
    const clock = new FakeClock()
    const { dialling, dialled } = await open(t)
    const accepting = new SecureServer({ credentials: relay.credentials }).accept(
      dialled,
      sideOptions(clock, { member: relay, policy: everybody }),
    )
    const client = bareClient(dialling, alice, { maxVersion: 'TLSv1.2' })
    const alert = new Promise<unknown>((resolve) => client.once('error', resolve))
    await rejection(t, accepting, 'ERR_REACH_TLS_VERSION')
    t.is(codeOf(await alert), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, a TLS 1.2 server is refused: ERR_REACH_TLS_VERSION here, an error there`, async (t) => {
    const clock = new FakeClock()
    const { dialling, dialled } = await open(t)
    const curve = await aCertificate({ key: newKey('P-256') })
    const server = createServer({
      cert: curve.certificate.pem,
      key: curve.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      maxVersion: 'TLSv1.2',
    })
    const failure = new Promise<unknown>((resolve) => server.once('tlsClientError', resolve))
    server.emit('connection', dialled)
    const options = sideOptions(clock, { member: alice, policy: everybody })
    await rejection(
      t,
      connectSecurely(dialling, { credentials: alice.credentials, ...options }),
      'ERR_REACH_TLS_VERSION',
    )
    t.is(codeOf(await failure), 'ERR_SSL_UNSUPPORTED_PROTOCOL')
    await noTimerIsLeft(t, clock)
  })

  test(`over ${over}, a client without a certificate is refused, is told so, and what it sent goes nowhere`, async (t) => {
    const clock = new FakeClock()
    const { dialling, dialled } = await open(t)
    const accepting = new SecureServer({ credentials: relay.credentials }).accept(
      dialled,
      sideOptions(clock, { member: relay, policy: everybody }),
    )
    const client = bareClient(dialling)
    client.write(encodeAccepted())
    client.write('let me in')
    const verdict = readToEnd(client)
    const error = await rejection(t, accepting, 'ERR_REACH_TRUST_NO_CERTIFICATE')
    t.is(error.details['by'], 'us')
    const said = await verdict
    t.is(said[0], 1)
    t.regex(said.subarray(3).toString(), /^ERR_REACH_TRUST_NO_CERTIFICATE /)
    client.destroy()
    await noTimerIsLeft(t, clock)
  })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error
}

function collect(stream: Duplex): { text(): string } {
  let seen = ''
  stream.on('data', (chunk: Uint8Array) => (seen += Buffer.from(chunk).toString()))
  return { text: () => seen }
}

function aTrustStore(): TrustStore {
  const { root, rootIssuer, domain } = network
  const set = { domain, number: 1, issuedAtMs: NOW_MS, roots: [root] }
  return new TrustStore(readStoredRootSet(signRootSet(set, rootIssuer.privateKey, root)))
}

function denyList(number: number, keys: readonly string[]): ReturnType<typeof signDenyList> {
  const denied = keys.map((spkiSha256) => ({ spkiSha256, deniedAtMs: NOW_MS, reason: '' }))
  const list: DenyList = { domain: network.domain, number, issuedAtMs: NOW_MS, keys: denied }
  return signDenyList(list, network.issuer.privateKey, [network.intermediate])
}

interface BareOptions {
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  readonly session?: Buffer
}

/** Somebody else's TLS client: it knows of no verdicts. */
function bareClient(transport: Duplex, member?: TestMember, options: BareOptions = {}): TLSSocket {
  return connect({
    socket: transport,
    ...(member === undefined ? {} : credentialsOf(member)),
    ...options,
    ALPNProtocols: [PEER_ALPN],
    rejectUnauthorized: false,
  })
}

function credentialsOf({ credentials: { chain, privateKey } }: TestMember): { cert: string; key: string } {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { cert: chain.map(({ pem }) => pem).join(''), key }
}

/** Somebody else's TLS server with the certificate of our relay. */
function bareServer(transport: Duplex): Promise<TLSSocket> {
  const server = createServer({
    ...credentialsOf(relay),
    ALPNProtocols: [PEER_ALPN],
    requestCert: true,
    rejectUnauthorized: false,
  })
  const secured = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve))
  server.emit('connection', transport)
  return secured
}

/** Our side dials a bare server. */
async function dialBare(
  t: ExecutionContext,
  clock: FakeClock,
): Promise<{
  readonly dialling: Promise<SecureChannel>
  readonly server: TLSSocket
  readonly pair: TransportPair
}> {
  const pair = await tcpPair(t)
  const secured = bareServer(pair.dialled)
  const options = sideOptions(clock, { member: alice, policy: everybody })
  const dialling = connectSecurely(pair.dialling, { credentials: alice.credentials, ...options })
  dialling.catch(() => undefined)
  const server = await secured
  server.on('error', () => undefined)
  return { dialling, server, pair }
}

test('a server that never says whether it accepts us runs into the timeout', async (t) => {
  const clock = new FakeClock()
  const { dialling, server, pair } = await dialBare(t, clock)
  t.deepEqual([...(await readBytes(server, 1))], [...encodeAccepted()], 'our verdict came')
  t.deepEqual(clock.pendingDelaysMs, [HANDSHAKE_TIMEOUT_MS])
  clock.advance(HANDSHAKE_TIMEOUT_MS)
  await rejection(t, dialling, 'ERR_REACH_TIMEOUT')
  await closed(pair.dialling)
  await noTimerIsLeft(t, clock)
})

test('a client that never says whether it accepts us does, too', async (t) => {
  const clock = new FakeClock()
  const { dialling, dialled } = await tcpPair(t)
  const options = { ...sideOptions(clock, { member: relay, policy: everybody }), handshakeTimeoutMs: 700 }
  const accepting = new SecureServer({ credentials: relay.credentials }).accept(dialled, options)
  const client = bareClient(dialling, alice)
  await readBytes(client, 1)
  clock.advance(699)
  t.false(dialled.destroyed)
  clock.advance(1)
  await rejection(t, accepting, 'ERR_REACH_TIMEOUT')
  await closed(dialled)
  await noTimerIsLeft(t, clock)
})

test('one that says nothing at all runs into the timeout on either side', async (t) => {
  const clock = new FakeClock()
  const [one, other] = [await tcpPair(t), await tcpPair(t)]
  const options = sideOptions(clock, { member: relay, policy: everybody })
  const accepting = new SecureServer({ credentials: relay.credentials }).accept(one.dialled, options)
  const dialling = connectSecurely(other.dialling, { credentials: alice.credentials, ...options })
  clock.advance(HANDSHAKE_TIMEOUT_MS)
  await rejection(t, accepting, 'ERR_REACH_TIMEOUT')
  await rejection(t, dialling, 'ERR_REACH_TIMEOUT')
  await Promise.all([closed(one.dialled), closed(other.dialling)])
  await noTimerIsLeft(t, clock)
})

test('one that is refused and does not go is cut off after a while', async (t) => {
  const clock = new FakeClock()
  const { dialling, dialled } = await tcpPair(t)
  const accepting = new SecureServer({ credentials: relay.credentials }).accept(
    dialled,
    sideOptions(clock, { member: relay, policy: everybody }),
  )
  // It reads nothing, so it does not hear that it should go.
  const client = bareClient(dialling)
  client.on('error', () => undefined)
  await rejection(t, accepting, 'ERR_REACH_TRUST_NO_CERTIFICATE')
  t.is(clock.pendingTimers, 1)
  t.false(dialled.destroyed)
  clock.advance(2000)
  await closed(dialled)
  t.is(clock.pendingTimers, 0)
})

const garbage: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['a status that nobody knows', Uint8Array.of(7), /verdict/],
  ['a length that is too large', Uint8Array.of(1, 0xff, 0xff), /verdict/],
  ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /verdict/],
  ['a code that refuses nobody', refusedVerdict('ERR_REACH_HOME_DAMAGED all is lost'), /‘all is lost’/],
  ['no code at all', refusedVerdict('go away'), /‘away’/],
  ['nothing in it', refusedVerdict(''), /‘’/],
]

function refusedVerdict(text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(1, 0, text.length), Buffer.from(text)])
}

for (const [what, bytes, message] of garbage) {
  test(`a verdict with ${what} is ERR_REACH_TLS`, async (t) => {
    const clock = new FakeClock()
    const { dialling, server, pair } = await dialBare(t, clock)
    server.write(bytes)
    await rejection(t, dialling, 'ERR_REACH_TLS', message)
    await closed(pair.dialling)
    await noTimerIsLeft(t, clock)
  })
}

test('what the other side says in a verdict can’t write to a terminal', async (t) => {
  const { dialling, server } = await dialBare(t, new FakeClock())
  server.write(refusedVerdict('ERR_REACH_TRUST_ROLE \u001b]0;pwned\u0007 \u202eno\r\n'))
  const error = await rejection(t, dialling, 'ERR_REACH_TRUST_ROLE')
  t.notRegex(error.message, /[\p{Cc}\p{Cf}]/u)
  t.is(error.details['by'], 'remote')
})

test('a verdict may come byte by byte, and what follows it in the same packet is not lost', async (t) => {
  const clock = new FakeClock()
  const one = await dialBare(t, clock)
  one.server.write(Buffer.concat([encodeAccepted(), Buffer.from('first words')]))
  const channel = await one.dialling
  t.is((await readBytes(channel.stream, 11)).toString(), 'first words')
  const other = await dialBare(t, clock)
  other.server.setNoDelay(true)
  for (const byte of refusedVerdict('ERR_REACH_TRUST_ROLE slowly')) {
    await new Promise<void>((resolve) => other.server.write(Uint8Array.of(byte), () => resolve()))
  }
  await rejection(t, other.dialling, 'ERR_REACH_TRUST_ROLE', /slowly/)
  await noTimerIsLeft(t, clock)
})

test('one that ends its half before its verdict is ERR_REACH_TLS at once', async (t) => {
  const clock = new FakeClock()
  const { dialling, server, pair } = await dialBare(t, clock)
  server.end()
  await rejection(t, dialling, 'ERR_REACH_TLS', /closed/)
  await closed(pair.dialling)
  await noTimerIsLeft(t, clock)
})

test('a client that offers a session of before gets a full handshake, with its certificate (RFC 8446 §2.2)', async (t) => {
  const clock = new FakeClock()
  const server = new SecureServer({ credentials: relay.credentials })
  const sessions: Buffer[] = []
  for (const round of [1, 2]) {
    const { dialling, dialled } = await tcpPair(t)
    const accepting = server.accept(dialled, sideOptions(clock, { member: relay, policy: everybody }))
    const session = sessions.at(-1)
    const client = bareClient(dialling, alice, session === undefined ? {} : { session })
    client.on('session', (ticket: Buffer) => sessions.push(ticket))
    client.write(encodeAccepted())
    const channel = await accepting
    channel.stream.end('hello')
    await readToEnd(client)
    const own = client.getSession()
    if (own !== undefined) sessions.push(own)
    t.false(client.isSessionReused(), `round ${round}`)
    t.is(channel.peer.peerId, alice.keys.peerId)
    client.destroy()
  }
  t.true(sessions.length > 0, 'there was something to offer')
})

test('new credentials are shown from then on; handshakes that are under way end with the old or the new', async (t) => {
  const clock = new FakeClock()
  const server = new SecureServer({ credentials: relay.credentials })
  const renewed = await aMember(network, { name: 'relay-2', roles: ['relay'] })
  const dial = async (): Promise<string | undefined> => {
    const pair = await tcpPair(t)
    const options = sideOptions(clock, { member: alice, policy: everybody })
    const [here, there] = await Promise.all([
      server.accept(pair.dialled, options),
      connectSecurely(pair.dialling, { credentials: alice.credentials, ...options }),
    ])
    t.is(here.peer.peerId, alice.keys.peerId)
    here.stream.destroy()
    return there.peer.name
  }
  t.is(await dial(), 'relay-1')
  const underWay = Array.from({ length: 20 }, () => dial())
  await tcpPair(t)
  server.setCredentials(renewed.credentials)
  for (const name of await Promise.all(underWay)) t.true(name === 'relay-1' || name === 'relay-2', name)
  t.is(await dial(), 'relay-2')
  await noTimerIsLeft(t, clock)
})
