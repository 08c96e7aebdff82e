import type { ExecutionContext } from 'ava'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import { UdpAgent, tcpDial, tcpListener } from './support/agents.ts'
import { useLinkLocalGateway } from './support/link-local-gateway.ts'
import { LeaseAgent } from './support/mapping-lab.ts'
import { IGD_HTTP_PORT, LABEL_IP, Miniupnpd, missingMappingTools } from './support/miniupnpd.ts'
import type { MiniupnpdOptions } from './support/miniupnpd.ts'
import { netnsTest } from './support/netns-test.ts'
import { UpnpAgent } from './support/upnp-agents.ts'
import { folderOf } from './support/test-folder.ts'

/* Our UPnP against a real miniupnpd, behind a NAT that lets nobody in by itself. */

const SERVER = '203.0.113.2'
const HOME = '203.0.113.50'
const HOST_IPV6 = '2001:db8:a::10'
/** Saves upnpc its search of two seconds, in which a gateway without processor time is not found. */
const DESCRIPTION_URL = `http://192.168.1.1:${IGD_HTTP_PORT}/rootDesc.xml`
const SERVER_IPV6 = '2001:db8:0:1::2'

interface Home {
  readonly server: LabNode
  readonly host: LabNode
  readonly gateway: LabNode
  readonly daemon: Miniupnpd
}

async function homeWith(t: ExecutionContext, lab: NetnsLab, options: MiniupnpdOptions = {}): Promise<Home> {
  const internet = await lab.internet()
  const server = await lab.host('server', { at: internet, ips: [SERVER, SERVER_IPV6] })
  const { host, gateways } = await openSite(lab, internet, 'ipv6-firewall', { number: 1 })
  const [gateway] = gateways
  if (gateway === undefined) throw new Error('no gateway')
  return {
    server,
    host,
    gateway,
    daemon: await Miniupnpd.start(gateway, await folderOf(t), { natPmp: false, ...options }),
  }
}

/** Asserts the lifetime of a grant. The gateway counts down from when it made the mapping: seconds may have passed. */
function lastsFor(t: ExecutionContext, grant: Readonly<Record<string, unknown>>, lifetimeS: number): void {
  const left = Number(grant['lifetimeS'])
  t.true(left > lifetimeS - 10 && left <= lifetimeS, JSON.stringify(grant))
}

/** What a client that others wrote sees at the gateway: `TCP 8080->192.168.1.10:4000`. */
async function listed(host: LabNode): Promise<readonly string[]> {
  const { stdout } = await host.exec('upnpc', ['-u', DESCRIPTION_URL, '-l'])
  return [...stdout.matchAll(/^\s*\d+\s+(TCP|UDP)\s+(\d+->\S+)/gm)].map(
    ([, protocol, ends]) => `${protocol} ${ends}`,
  )
}

const whyNot = missingMappingTools()
if (whyNot !== undefined) console.warn(`skipped: ${whyNot}`)

function upnpTest(title: string, body: (t: ExecutionContext, lab: NetnsLab) => Promise<void>): void {
  netnsTest(title, async (t, lab) => {
    if (whyNot === undefined) return body(t, lab)
    t.log(`skipped: ${whyNot}`)
    t.pass()
  })
}

for (const igdV1 of [false, true]) {
  upnpTest(
    `version ${igdV1 ? 1 : 2}: a mapping lets others in, is renewed, and is removed`,
    async (t, lab) => {
      const { host, server, daemon } = await homeWith(t, lab, { igdV1 })
      const agent = await UpnpAgent.open(host)
      await tcpListener(host, [4000])
      const inside = await UdpAgent.open(host, 5000)
      const outside = await UdpAgent.open(server, 6000)
      t.is(await tcpDial(server, HOME, 8080, 500), 'timeout', 'nobody comes in before')

      const tcp = await agent.ask('map tcp 4000 8080! 600')
      const expected = {
        protocol: 'upnp',
        gatewayIp: '192.168.1.1',
        externalIp: LABEL_IP,
        externalPort: 8080,
      }
      t.like(tcp, expected, JSON.stringify(tcp))
      lastsFor(t, tcp, 600)
      const udp = await agent.ask('map udp 5000 any 600')
      t.like(udp, { externalPort: 5000 })
      t.deepEqual([...(await listed(host))].toSorted(), [
        'TCP 8080->192.168.1.10:4000',
        'UDP 5000->192.168.1.10:5000',
      ])
      t.is(await tcpDial(server, HOME, 8080, 10_000), 'connected')
      await outside.send(HOME, 5000, 'hello')
      t.is(await inside.source('hello'), `${SERVER} 6000`)

      const renewed = await agent.ask(`renew 1200 ${JSON.stringify(tcp)}`)
      t.is(renewed.externalPort, 8080)
      lastsFor(t, renewed, 1200)
      t.is(await tcpDial(server, HOME, 8080, 10_000), 'connected')

      t.deepEqual(await agent.ask(`unmap ${JSON.stringify(tcp)}`), {})
      t.deepEqual(await listed(host), ['UDP 5000->192.168.1.10:5000'])
      t.is(await tcpDial(server, HOME, 8080, 500), 'timeout')
      // From another process, which has the grant from a file.
      const later = await UpnpAgent.open(host)
      t.deepEqual(await later.ask(`unmap ${JSON.stringify(udp)}`), {})
      t.deepEqual(await listed(host), [])
      t.notRegex(await daemon.rules(), /4000|5000/)
    },
  )

  upnpTest(`version ${igdV1 ? 1 : 2}: a port that another host has stays with it`, async (t, lab) => {
    const { host } = await homeWith(t, lab, { igdV1, secureMode: false })
    const taken = await host.exec('upnpc', [
      '-u',
      DESCRIPTION_URL,
      '-a',
      '192.168.1.77',
      '4000',
      '4000',
      'UDP',
      '600',
    ])
    t.is(taken.code, 0, taken.stdout)
    const agent = await UpnpAgent.open(host)
    t.like(await agent.ask('map udp 4000 4000! 600'), {
      code: 'ERR_REACH_MAPPING_REFUSED',
      details: { protocol: 'upnp', gatewayIp: '192.168.1.1', resultCode: 718 },
    })
    const grant = await agent.ask('map udp 4000 any 600')
    const external = Number(grant.externalPort)
    t.not(external, 4000)
    t.true((await listed(host)).includes(`UDP ${external}->192.168.1.10:4000`))
    await agent.ask(`unmap ${JSON.stringify(grant)}`)
    t.deepEqual(await listed(host), ['UDP 4000->192.168.1.77:4000'])
  })
}

upnpTest('a port that the gateway’s rules forbid is refused with its code', async (t, lab) => {
  const { host } = await homeWith(t, lab)
  const agent = await UpnpAgent.open(host)
  t.like(await agent.ask('map tcp 80 80! 600'), {
    code: 'ERR_REACH_MAPPING_REFUSED',
    details: { resultCode: 606 },
  })
})

for (const gatewayIp of ['global', 'link-local'] as const) {
  upnpTest(
    `a pinhole of IPv6 lets others in, is renewed, and is closed, at a ${gatewayIp} gateway`,
    async (t, lab) => {
      const { host, server, gateway } = await homeWith(t, lab)
      if (gatewayIp === 'link-local') await useLinkLocalGateway(host, gateway)
      const agent = await UpnpAgent.open(host, 'ipv6')
      await tcpListener(host, [4000])
      t.is(await tcpDial(server, HOST_IPV6, 4000, 500), 'timeout', 'nobody comes in before')
      const grant = await agent.ask('map tcp 4000 any 600')
      t.like(grant, { externalIp: HOST_IPV6, externalPort: 4000 }, JSON.stringify(grant))
      lastsFor(t, grant, 600)
      t.is(String(grant.gatewayIp).startsWith('fe80:'), gatewayIp === 'link-local')
      t.is(await tcpDial(server, HOST_IPV6, 4000, 10_000), 'connected')
      const renewed = await agent.ask(`renew 1200 ${JSON.stringify(grant)}`)
      t.deepEqual(renewed.keep, grant.keep)
      lastsFor(t, renewed, 1200)
      t.deepEqual(await agent.ask(`unmap ${JSON.stringify(grant)}`), {})
      t.is(await tcpDial(server, HOST_IPV6, 4000, 500), 'timeout')
    },
  )
}

for (const family of ['ipv4', 'ipv6'] as const) {
  upnpTest(
    `${family}: a gateway that starts anew is heard, and what it lost is made again`,
    async (t, lab) => {
      const { host, server, daemon } = await homeWith(t, lab)
      const agent = await UpnpAgent.open(host, family)
      await tcpListener(host, [4000])
      const home = family === 'ipv4' ? HOME : HOST_IPV6
      const grant = await agent.ask('map tcp 4000 any 600')
      t.is(await tcpDial(server, home, 4000, 10_000), 'connected')
      await daemon.crash()
      t.is(await tcpDial(server, home, 4000, 500), 'timeout')
      await daemon.restart()
      await agent.waitForReset()
      const renewed = await agent.ask(`renew 600 ${JSON.stringify(grant)}`)
      t.is(renewed.externalPort, 4000)
      lastsFor(t, renewed, 600)
      t.is(await tcpDial(server, home, 4000, 10_000), 'connected')
    },
  )
}

upnpTest('what a killed process leaves is removed at the next start', async (t, lab) => {
  const { host } = await homeWith(t, lab)
  const home = await folderOf(t)
  const killed = new LeaseAgent(host, {
    request: { transport: 'tcp', port: 4000 },
    protocols: ['upnp'],
    home,
  })
  t.is(await killed.active(), 4000)
  await killed.program.stop('SIGKILL')
  t.deepEqual(await listed(host), ['TCP 4000->192.168.1.10:4000'])
  const next = new LeaseAgent(host, { request: { transport: 'udp', port: 5000 }, protocols: ['upnp'], home })
  t.is(await next.active(), 5000)
  t.deepEqual(await listed(host), ['UDP 5000->192.168.1.10:5000'])
  await next.close()
  t.deepEqual(await listed(host), [])
})
