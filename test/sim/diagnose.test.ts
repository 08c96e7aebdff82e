import test from 'ava'
import type { DiagnoseOptions, DiagnoseProgress, DiagnoseReport } from '../../lib/index.ts'
import { ReachError, diagnose, formatAddress } from '../../lib/index.ts'
import { forSeedsAsync } from './for-seeds.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'

/*
 * The whole diagnosis on virtual time: its budgets, and what it says when there is nothing to say. What it says of NATs
 * on real sockets is in test/netns/diagnose.test.ts.
 */

const HOME = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'preserving' },
} as const
const LIMIT_MS = 10_000

async function diagnosed(
  net: VirtualInternet,
  host: VirtualHost,
  options: Omit<DiagnoseOptions, 'runtime'>,
): Promise<DiagnoseReport> {
  return net.clock.runUntilSettled(
    diagnose({ ...options, runtime: host.runtime }),
    options.deep === true ? 250_000 : LIMIT_MS,
  )
}

test('a healthy home is diagnosed within 1.5 s of virtual time', async (t) => {
  await forSeedsAsync(5, async (seed) => {
    const net = new VirtualInternet({ seed })
    const server = net.stunServer()
    const host = net.host({ behind: net.nat(HOME), link: { delayMs: 12 } })
    const report = await diagnosed(net, host, { stun: [formatAddress(server.address)] })
    t.is(report.verdict.class, 'easy')
    t.is(report.nat.mapping.value, 'endpoint-independent')
    t.is(report.nat.filtering.value, 'address-and-port-dependent')
    t.is(report.nat.portAllocation.value, 'preserving')
    t.is(report.mtu.value, 1500)
    t.true(report.durationMs <= 1500, `${report.durationMs} ms`)
  })
})

test('every network ends within 5 s: UDP blocked, everything blocked, a dead server, 40 % loss', async (t) => {
  const scenarios = {
    'UDP blocked': (net: VirtualInternet) => net.host({ behind: net.firewall({ rules: { udp: 'block' } }) }),
    'all blocked': (net: VirtualInternet) =>
      net.host({ behind: net.firewall({ rules: { udp: 'block', tcp: 'block', icmp: 'block' } }) }),
    'heavy loss': (net: VirtualInternet) =>
      net.host({ behind: net.nat(HOME), link: { delayMs: 30, loss: 0.4 } }),
    satellite: (net: VirtualInternet) =>
      net.host({ behind: net.nat(HOME), link: { delayMs: 350, jitterMs: 50 } }),
  }
  for (const [name, build] of Object.entries(scenarios)) {
    const net = new VirtualInternet({ seed: 7 })
    const server = net.stunServer()
    const report = await diagnosed(net, build(net), {
      stun: [formatAddress(server.address)],
      relays: [`http://${server.address.ip}:443`],
    })
    t.true(report.durationMs <= 5000, `${name}: ${report.durationMs} ms`)
    t.not(report.nat.mapping.value, 'address-and-port-dependent', name)
  }
})

test('silence of everything is blocked, and the servers are named as a possible cause', async (t) => {
  const net = new VirtualInternet({ seed: 2 })
  const server = net.stunServer()
  server.die()
  const report = await diagnosed(net, net.host({ behind: net.nat(HOME) }), {
    stun: [formatAddress(server.address)],
  })
  t.is(report.verdict.class, 'blocked')
  t.true(report.verdict.remedies.some(({ id }) => id === 'check-servers'))
  t.is(report.udp.works.ipv4.confidence, 'inferred', 'one silent server may also be down')
})

test('the first news come at once and each fact is told once', async (t) => {
  const net = new VirtualInternet({ seed: 3 })
  const server = net.stunServer()
  const host = net.host({ behind: net.nat(HOME), link: { delayMs: 12 } })
  const news: { readonly atMs: number; readonly text: string }[] = []
  const onProgress = (progress: DiagnoseProgress) => {
    if (progress.kind === 'fact')
      news.push({ atMs: net.clock.nowMs(), text: `${progress.group} ${progress.label} ${progress.text}` })
  }
  await diagnosed(net, host, { stun: [formatAddress(server.address)], onProgress })
  t.true((news[0]?.atMs ?? Infinity) < 1000)
  t.is(new Set(news.map(({ text }) => text)).size, news.length)
  t.true(news.some(({ text }) => text.includes('mapping endpoint-independent')))
})

test('deep adds hairpinning and the binding lifetime', async (t) => {
  const net = new VirtualInternet({ seed: 4 })
  const server = net.stunServer()
  const nat = net.nat({
    ...HOME,
    filtering: 'endpoint-independent',
    hairpin: 'external',
    udpTimeoutMs: 40_000,
  })
  const report = await diagnosed(net, net.host({ behind: nat }), {
    stun: [formatAddress(server.address)],
    deep: true,
  })
  t.true(report.nat.hairpin.value)
  t.is(report.nat.bindingLifetimeMs.value, 30_000)
})

test('aborting rejects with the reason and leaves no timer running', async (t) => {
  const net = new VirtualInternet({ seed: 5 })
  const server = net.stunServer()
  const host = net.host({ behind: net.nat(HOME), link: { delayMs: 50 } })
  const controller = new AbortController()
  const reason = new ReachError('ERR_REACH_ABORTED', 'enough')
  net.clock.setTimer(180, () => controller.abort(reason))
  const run = diagnose({
    runtime: host.runtime,
    stun: [formatAddress(server.address)],
    signal: controller.signal,
  })
  const error = await t.throwsAsync(net.clock.runUntilSettled(run, LIMIT_MS))
  t.is(error, reason)
  await net.clock.settle()
  t.is(net.clock.pendingTimers, 0)
})

test('a name that does not exist is the mistake of who wrote it; one that cannot be resolved is not', async (t) => {
  const net = new VirtualInternet({ seed: 6 })
  const host = net.host({ behind: net.nat(HOME) })
  const error = await t.throwsAsync(diagnosed(net, host, { stun: ['no-such-host.test'] }))
  t.true(ReachError.is(error, 'ERR_REACH_HOST_NOT_FOUND'))
  await t.throwsAsync(diagnosed(net, host, { relays: ['ftp://relay'] }), { message: /not a relay URL/ })
})

test('every fact says when it was known', async (t) => {
  const net = new VirtualInternet({ seed: 8 })
  const server = net.stunServer()
  const report = await diagnosed(net, net.host({ behind: net.nat(HOME) }), {
    stun: [formatAddress(server.address)],
  })
  const { nat, publicAddress, portMapping, captivePortal, clockSkewMs, dns, proxy, mtu, udp, tcp } = report
  const facts = [
    nat.mapping,
    nat.filtering,
    nat.portAllocation,
    nat.layers,
    nat.cgn,
    publicAddress.ipv4,
    portMapping.pcp,
    captivePortal,
    clockSkewMs,
    dns,
    proxy,
    mtu,
    udp.works.ipv4,
    tcp.works.ipv4,
  ]
  for (const { ms, evidence } of facts) {
    t.true(typeof ms === 'number' && ms <= report.durationMs, evidence.join('; '))
  }
})
