import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import type { Router } from '../../cli/demo/lab/router.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import { tcpDial, UdpAgent } from './support/agents.ts'
import { startCoturn } from './support/coturn.ts'
import { coturnLifetime } from './support/nat-judges.ts'
import { netnsTest } from './support/netns-test.ts'

/* What tests of hole punching and roaming will lean on, beyond the kinds of NAT. */

const SERVER = '203.0.113.2'
const OTHER_SERVER = '198.51.100.2'
const HOME = '203.0.113.50'

async function withServer(lab: NetnsLab): Promise<{ readonly internet: Router; readonly server: LabNode }> {
  const internet = await lab.internet()
  return { internet, server: await lab.host('server', { at: internet, ips: [SERVER] }) }
}

function ping(host: LabNode, ip: string, ...options: string[]) {
  return host.exec('ping', ['-c', '1', '-W', '1', ...options, ip])
}

for (const { wanInput, isPoisoned } of [
  { wanInput: 'drop', isPoisoned: false },
  { wanInput: 'reject', isPoisoned: false },
  { wanInput: 'accept', isPoisoned: true },
] as const) {
  const outcome = isPoisoned ? 'takes our port away' : 'changes nothing'
  netnsTest(`an early packet ${outcome} at a NAT that would ${wanInput} it`, async (t, lab) => {
    const { internet, server } = await withServer(lab)
    const { host } = await openSite(lab, internet, 'port-preserving', { number: 1, wanInput })
    const [outside, inside] = await Promise.all([UdpAgent.open(server, 5000), UdpAgent.open(host, 40_000)])
    await outside.send(HOME, 40_000, 'early')
    await inside.send(SERVER, 5000, 'hello')
    const source = await outside.source('hello')
    t.is(source !== `${HOME} 40000`, isPoisoned)
    // For good: each packet from outside keeps the flow that has the port.
    await outside.send(HOME, 40_000, 'again')
    await inside.send(SERVER, 5000, 'hello')
    t.is(await outside.source('hello'), source)
    t.false(inside.received.includes(`${SERVER} 5000 early`))
  })
}

netnsTest(
  'a gateway that rejects TCP from outside resets it, one that drops it is silent',
  async (t, lab) => {
    const { internet, server } = await withServer(lab)
    await openSite(lab, internet, 'port-preserving', { number: 1, wanInput: 'reject' })
    await openSite(lab, internet, 'port-preserving', { number: 2 })
    t.is(await tcpDial(server, HOME, 4000, 1_000), 'ECONNREFUSED')
    t.is(await tcpDial(server, '198.51.100.50', 4000, 1_000), 'timeout')
  },
)

netnsTest('a NAT that forgot lets nobody in until the inside sends again', async (t, lab) => {
  const { internet, server } = await withServer(lab)
  const stranger = await lab.host('stranger', { at: internet, ips: [OTHER_SERVER] })
  const { host, gateways } = await openSite(lab, internet, 'full-cone', { number: 1 })
  const [outside, unknown, inside] = await Promise.all([
    UdpAgent.open(server, 5000),
    UdpAgent.open(stranger, 5000),
    UdpAgent.open(host, 40_000),
  ])
  await inside.send(SERVER, 5000, 'hello')
  t.is(await outside.source('hello'), `${HOME} 40000`)
  await unknown.send(HOME, 40_000, 'before')
  t.is(await inside.source('before'), `${OTHER_SERVER} 5000`)

  await gateways[0]?.forget()
  await outside.send(HOME, 40_000, 'lost')
  await unknown.send(HOME, 40_000, 'lost')
  await inside.send(SERVER, 5000, 'hello')
  t.is(await outside.source('hello'), `${HOME} 40000`)
  await unknown.send(HOME, 40_000, 'after')
  t.is(await inside.source('after'), `${OTHER_SERVER} 5000`)
  t.deepEqual(inside.received, [`${OTHER_SERVER} 5000 before`, `${OTHER_SERVER} 5000 after`])
})

netnsTest('mappings outlive an uplink that is unplugged and plugged in again', async (t, lab) => {
  const { internet, server } = await withServer(lab)
  const { host, gateways } = await openSite(lab, internet, 'fully-random', { number: 1 })
  const [outside, inside] = await Promise.all([UdpAgent.open(server, 5000), UdpAgent.open(host, 40_000)])
  const mapping = async () => {
    await inside.send(SERVER, 5000, 'hello')
    return outside.source('hello')
  }
  const before = await mapping()
  await gateways[0]?.uplink.unplug()
  t.is((await ping(host, SERVER)).code, 1)
  await gateways[0]?.uplink.plug()
  t.is((await ping(host, SERVER)).code, 0)
  t.is(await mapping(), before)
})

netnsTest('a host moves to another gateway with its programs', async (t, lab) => {
  const { internet, server } = await withServer(lab)
  const home = await openSite(lab, internet, 'port-preserving', { number: 1 })
  const cafe = await openSite(lab, internet, 'port-preserving', { number: 2 })
  const [outside, inside] = await Promise.all([UdpAgent.open(server, 5000), UdpAgent.open(home.host, 40_000)])
  await inside.send(SERVER, 5000, 'here')
  t.is(await outside.source('here'), `${HOME} 40000`)
  await home.link?.remove()
  await cafe.gateways[0]?.attach(home.host, { ips: ['192.168.2.77'] })
  await inside.send(SERVER, 5000, 'there')
  t.is(await outside.source('there'), '198.51.100.50 40000')
})

netnsTest(
  'neighbours at home reach each other directly, customers of a carrier through it',
  async (t, lab) => {
    const internet = await lab.internet()
    const { host, gateways } = await openSite(lab, internet, 'cgn-port-preserving', { number: 1 })
    const [home, carrier] = gateways
    const neighbour = await lab.host(
      'neighbour',
      home === undefined ? {} : { at: home, ips: ['192.168.1.11'] },
    )
    t.is((await ping(neighbour, '192.168.1.10', '-t', '1')).code, 0)
    t.is((await ping(host, '192.168.1.11', '-t', '1')).code, 0)

    const customer = await lab.host(
      'customer',
      carrier === undefined ? {} : { at: carrier, ips: ['100.64.0.60'] },
    )
    const other = await lab.host(
      'other customer',
      carrier === undefined ? {} : { at: carrier, ips: ['100.64.0.61'] },
    )
    t.is((await ping(customer, '100.64.0.61', '-t', '1')).code, 1)
    t.is((await ping(customer, '100.64.0.61', '-t', '2')).code, 0)
    t.is((await ping(other, '100.64.0.60', '-t', '2')).code, 0)
  },
)

netnsTest('nothing from or to a private address crosses the internet', async (t, lab) => {
  const { internet, server } = await withServer(lab)
  const gateway = { behind: internet, wan: [HOME], lan: ['192.168.1.1/24'], nat: 'none' } as const
  const leaky = await lab.gateway('gateway that does not translate', gateway)
  const host = await lab.host('host', { at: leaky, ips: ['192.168.1.10'] })
  const neighbour = await lab.host('neighbour', { at: internet, ips: [OTHER_SERVER] })
  const [outside, inside, witness] = await Promise.all([
    UdpAgent.open(server, 5000),
    UdpAgent.open(host, 5000),
    UdpAgent.open(neighbour, 5000),
  ])
  await inside.send(SERVER, 5000, 'leaked')
  await witness.send(SERVER, 5000, 'hello')
  await outside.source('hello')
  t.deepEqual(outside.received, [`${OTHER_SERVER} 5000 hello`])
  t.is((await ping(server, '192.168.1.10')).code, 1)
})

netnsTest('a pool of addresses is used, and a socket keeps the address it got', async (t, lab) => {
  const internet = await lab.internet()
  const ips = Array.from({ length: 16 }, (_, index) => `203.0.113.${index + 2}`)
  const server = await lab.host('server', { at: internet, ips })
  const { host, truth } = await openSite(lab, internet, 'snat-pool', { number: 1 })
  const [outside, inside] = await Promise.all([UdpAgent.open(server, 5000), UdpAgent.open(host, 40_000)])
  // bash opens a socket for each redirection.
  const sendAll = ips.map((ip) => `echo -n from bash > /dev/udp/${ip}/5000`).join('; ')
  await host.exec('bash', ['-c', sendAll])
  const seen = new Set<string>()
  const kept = new Set<string>()
  for (const ip of ips) {
    seen.add((await outside.source('from bash')).split(' ')[0] ?? '')
    await inside.send(ip, 5000, 'from one socket')
    kept.add(await outside.source('from one socket'))
  }
  t.true(seen.size > 1) // all 16 hash to one of three addresses once in 14 million runs
  const strangers = [...seen].filter((ip) => truth.ipv4?.publicIps.includes(ip) !== true)
  t.deepEqual(strangers, [])
  t.is(kept.size, 1)
})

netnsTest('an idle UDP mapping lives as long as it was told to, by coturn', async (t, lab) => {
  const internet = await lab.internet()
  const ips = [SERVER, '203.0.113.3']
  await startCoturn(await lab.host('server', { at: internet, ips }), ips)
  const home = await openSite(lab, internet, 'port-preserving', { number: 1, udpLifetimeS: 3 })
  const cone = await openSite(lab, internet, 'full-cone', { number: 2, udpLifetimeS: 3 })
  const lives = (site: typeof home, idleS: number) =>
    coturnLifetime(site.host, site.hostIps[0] ?? '', SERVER, idleS)
  t.deepEqual(await Promise.all([lives(home, 1), lives(home, 5), lives(cone, 1), lives(cone, 5)]), [
    true,
    false,
    true,
    false,
  ])
})

netnsTest('a narrow link tells who sends too large packets, a black hole does not', async (t, lab) => {
  const { internet, server } = await withServer(lab)
  const narrow = { mtu: 1280, wanInput: 'accept' } as const
  const told = await openSite(lab, internet, 'port-preserving', { number: 1, ...narrow })
  const untold = await openSite(lab, internet, 'port-preserving', {
    number: 2,
    ...narrow,
    pmtuBlackhole: true,
  })
  const large = ['-M', 'do', '-s', '1400']
  const small = ['-M', 'do', '-s', '1200']
  const complaint = /Frag needed|[Mm]essage too long/
  for (const { host } of [told, untold]) t.is((await ping(host, SERVER, ...small)).code, 0)
  const fromInside = await ping(told.host, SERVER, ...large)
  t.regex(fromInside.stdout + fromInside.stderr, complaint)
  const fromOutside = await ping(server, HOME, ...large)
  t.regex(fromOutside.stdout + fromOutside.stderr, complaint)
  for (const silence of [
    await ping(untold.host, SERVER, ...large),
    await ping(server, '198.51.100.50', ...large),
  ]) {
    t.is(silence.code, 1)
    t.notRegex(silence.stdout + silence.stderr, complaint)
  }
})
