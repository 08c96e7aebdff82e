import test from 'ava'
import type { ExecutionContext } from 'ava'
import { formatAddress } from '../../../lib/base/transport-address.ts'
import type { PeerId } from '../../../lib/base/peer-id.ts'
import { generateKeyPair } from '../../../lib/identity/keys/key-pair.ts'
import { LOOK_MS, LanPeers, newInstance } from '../../../lib/lan/lan-peers.ts'
import { lanLinks } from '../../../lib/lan/lan-links.ts'
import { BUSY_LAPTOP, aHost } from '../gather/hosts.ts'
import { MulticastLan } from '../../support/multicast-lan.ts'
import type { BusHost } from '../../support/multicast-lan.ts'

const NETWORK = 'ab'.repeat(32)
const alice = generateKeyPair().peerId
const bob = generateKeyPair().peerId

async function peersAt(
  t: ExecutionContext,
  lan: MulticastLan,
  host: BusHost,
  self: { readonly peerId: PeerId; readonly port: number } | undefined,
  network = NETWORK,
): Promise<LanPeers> {
  const { runtime } = host
  const named = self && { ...self, instance: newInstance(runtime) }
  const peers = await lan.run(LanPeers.open({ runtime, network, self: named }))
  t.teardown(() => peers.close())
  return peers
}

/** Where a peer takes connections, as it is found. */
async function placesOf(peers: LanPeers, peerId: PeerId, signal?: AbortSignal) {
  return (await peers.find(peerId, signal)).flatMap(({ addresses }) => addresses)
}

const A = ['192.168.1.5', 'fe80::5%eth0', 'fd12::5'] as const
const B = ['192.168.1.6', 'fe80::6%eth0', 'fd12::6'] as const

test('a peer is found by who knows its PeerId, over both families, without any server', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), { peerId: alice, port: 4001 })
  await peersAt(t, lan, lan.host(...B), { peerId: bob, port: 4002 })
  const found = await lan.run(placesOf(a, bob))
  t.deepEqual(
    found.map((each) => `${formatAddress(each)} ${each.transport}`),
    ['192.168.1.6:4002 tcp', '[fd12::6]:4002 tcp'],
  )
  await lan.pass(3000)
  const families = new Set(lan.sent.map(({ to }) => `${to.ip} ${to.port}`))
  t.deepEqual([...families].toSorted(), ['224.0.0.251 5353', 'ff02::fb%eth0 5353'])
  t.true(lan.sent.every(({ from }) => from.port === 5353))
})

test('who was heard is known at once and costs no packet', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), undefined)
  await peersAt(t, lan, lan.host(...B), { peerId: bob, port: 4002 })
  await lan.pass(3000)
  const sent = lan.sent.length
  const startMs = lan.clock.nowMs()
  t.is((await lan.run(placesOf(a, bob))).length, 2)
  t.deepEqual([lan.sent.length, lan.clock.nowMs()], [sent, startMs])
})

test('who is not there is not found, soon; nor is a peer of another network, though it is seen', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), undefined)
  await peersAt(t, lan, lan.host(...B), { peerId: bob, port: 4002 }, 'cd'.repeat(32))
  const startMs = lan.clock.nowMs()
  t.deepEqual(await lan.run(placesOf(a, bob)), [])
  t.is(lan.clock.nowMs() - startMs, LOOK_MS)
  t.is(a.peers().length, 1)
})

test('packets name neither the peer nor the network, and each start has another name', async (t) => {
  const lan = new MulticastLan()
  const host = lan.host(...B)
  const a = await peersAt(t, lan, lan.host(...A), undefined)
  const first = await peersAt(t, lan, host, { peerId: bob, port: 4002 })
  await lan.pass(3000)
  const before = a.peers()[0]
  await lan.run(first.close())
  await lan.pass(2000)
  t.deepEqual(a.peers(), [], 'its goodbye was heard')
  await peersAt(t, lan, host, { peerId: bob, port: 4002 })
  await lan.pass(3000)
  const after = a.peers()[0]
  t.true(before !== undefined && after !== undefined)
  t.not(before?.instance, after?.instance)
  t.not(before?.tag, after?.tag)
  for (const { bytes } of lan.sent) {
    const text = Buffer.from(bytes).toString('latin1')
    for (const secret of [bob, NETWORK]) t.false(text.includes(secret) || text.includes(secret.slice(0, 16)))
  }
})

test('a lost answer is asked for again', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), undefined)
  await peersAt(t, lan, lan.host(...B), { peerId: bob, port: 4002 })
  const startMs = lan.clock.nowMs()
  lan.loses = ({ from, atMs }) => from.ip !== A[0] && from.ip !== A[1] && atMs < startMs + 1000
  t.is((await lan.run(placesOf(a, bob))).length, 2)
})

test('looking answers with all who are there, ourselves not among them', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), { peerId: alice, port: 4001 })
  const hosts = Array.from({ length: 10 }, (_, at) => lan.host(`192.168.1.${20 + at}`))
  for (const host of hosts) await peersAt(t, lan, host, { peerId: generateKeyPair().peerId, port: 4000 })
  const found = await lan.run(a.look())
  t.deepEqual(
    found.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)).toSorted(),
    hosts.map(({ ips }) => ips[0] ?? '').toSorted(),
  )
})

test('two peers on one host find each other', async (t) => {
  const lan = new MulticastLan()
  const host = lan.host(...A)
  const a = await peersAt(t, lan, host, { peerId: alice, port: 4001 })
  const b = await peersAt(t, lan, host, { peerId: bob, port: 4002 })
  t.is((await lan.run(placesOf(a, bob)))[0]?.port, 4002)
  t.is((await lan.run(placesOf(b, alice)))[0]?.port, 4001)
})

test('a host that comes to a LAN, or gets another address there, announces itself anew', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), undefined)
  const host = lan.host()
  await peersAt(t, lan, host, { peerId: bob, port: 4002 })
  let changes = 0
  a.onChange = () => changes++
  await lan.pass(10_000)
  t.is(changes, 0)
  host.ips = B
  await lan.pass(10_000)
  t.deepEqual(
    (await lan.run(placesOf(a, bob))).map(({ ip }) => ip),
    ['192.168.1.6', 'fd12::6'],
  )
  host.ips = ['192.168.1.7', 'fe80::6%eth0']
  await lan.pass(10_000)
  t.deepEqual(
    (await lan.run(placesOf(a, bob))).map(({ ip }) => ip),
    ['192.168.1.7'],
  )
  t.true(changes >= 2)
})

test('where another program has the port for itself, nobody is found and nothing fails', async (t) => {
  const lan = new MulticastLan()
  const host = lan.host(...A)
  host.refusesPorts = true
  const a = await peersAt(t, lan, host, { peerId: alice, port: 4001 })
  await peersAt(t, lan, lan.host(...B), { peerId: bob, port: 4002 })
  t.deepEqual(await lan.run(placesOf(a, bob)), [])
})

test('closing gives sockets and timers back, ends who waits, and is idempotent', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), { peerId: alice, port: 4001 })
  const waiting = placesOf(a, bob)
  await lan.run(Promise.all([a.close(), a.close()]))
  t.deepEqual(await waiting, [])
  await lan.pass(10) // packets that are on their way
  t.deepEqual([lan.openSockets, lan.clock.pendingTimers], [0, 0])
  t.deepEqual([await placesOf(a, bob), await a.look()], [[], []])
})

test('closing while it opens leaves nothing open', async (t) => {
  const lan = new MulticastLan()
  const host = lan.host(...A)
  const a = await peersAt(t, lan, host, { peerId: alice, port: 4001 })
  host.ips = B
  lan.clock.advance(5000)
  await lan.run(a.close())
  await lan.pass(1000)
  t.deepEqual([lan.openSockets, lan.clock.pendingTimers], [0, 0])
})

test('who has lost interest is told so', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), undefined)
  const caller = new AbortController()
  const waiting = placesOf(a, bob, caller.signal)
  const reason = new Error('enough')
  caller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  t.is(await t.throwsAsync(placesOf(a, bob, caller.signal)), reason)
})

test('garbage and floods on the group harm nobody', async (t) => {
  const lan = new MulticastLan()
  const a = await peersAt(t, lan, lan.host(...A), { peerId: alice, port: 4001 })
  await peersAt(t, lan, lan.host(...B), { peerId: bob, port: 4002 })
  const stranger = { family: 'ipv4', ip: '192.168.1.66', port: 5353, transport: 'udp' } as const
  for (let at = 0; at < 2000; at++)
    lan.inject(
      Uint8Array.from({ length: at % 97 }, (_, i) => (at * i) & 0xff),
      stranger,
    )
  t.is((await lan.run(placesOf(a, bob))).length, 2)
})

const links = (host: Parameters<typeof lanLinks>[0]) =>
  lanLinks(host).map(({ family, via }) => `${family} ${via}`)

test('it speaks on cards of a LAN: not to containers, not over VPNs, not to strangers in a data centre', (t) => {
  t.deepEqual(links(BUSY_LAPTOP), ['ipv4 192.168.1.20', 'ipv6 fe80::20%wlan0'])
  t.deepEqual(links(aHost({ eth0: '203.0.113.5/24 fe80::5%eth0 2001:db8::5', eth1: '10.0.0.5/16' })), [
    'ipv4 10.0.0.5',
  ])
  t.deepEqual(links(aHost({ tun0: '10.8.0.3/24', eth0: '192.168.1.5/24' }, { sources: ['10.8.0.3'] })), [
    'ipv4 192.168.1.5',
  ])
  t.deepEqual(links(aHost({ ppp7: '10.64.0.2/32', wwan0: '100.64.3.4/31' })), [])
  t.deepEqual(links(aHost({ eth0: 'fe80::5%eth0' })), [], 'nothing to tell')
})
