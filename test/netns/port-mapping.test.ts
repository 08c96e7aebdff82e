import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import { UdpAgent, tcpDial, tcpListener } from './support/agents.ts'
import { useLinkLocalGateway } from './support/link-local-gateway.ts'
import type { MappingHome } from './support/mapping-lab.ts'
import {
  GATEWAY_IP,
  HOST_IP,
  LeaseAgent,
  MASQUERADE,
  NEIGHBOUR_IP,
  WAN_IP,
  mappingTest,
  openHome,
} from './support/mapping-lab.ts'
import { IGD_HTTP_PORT, LABEL_IP } from './support/miniupnpd.ts'
import { folderOf } from './support/test-folder.ts'

/* Port mapping against a real miniupnpd, with Debian's own clients as witnesses. */

/** Long enough for a connection inside one machine: nobody listens, or somebody drops. */
const CLOSED_MS = 1_000
const DIAL_MS = 10_000
/** RFC 6887 §8.5 can't tell two starts within its tolerance of 2 s apart. */
const OUTAGE_MS = 3_000

/** Saves upnpc its search of two seconds. */
const DESCRIPTION_URL = `http://${GATEWAY_IP}:${IGD_HTTP_PORT}/rootDesc.xml`

/** What upnpc lists, in order, as `TCP 8080->192.168.1.10:8080`. */
async function listed(host: LabNode): Promise<readonly string[]> {
  const { stdout } = await host.exec('upnpc', ['-u', DESCRIPTION_URL, '-l'])
  const lines = [...stdout.matchAll(/^\s*\d+ (TCP|UDP)\s+(\d+)->(\S+)/gm)]
  return lines.map(([, transport, external, internal]) => `${transport} ${external}->${internal}`).sort()
}

for (const protocol of ['pcp', 'nat-pmp', 'upnp'] as const) {
  mappingTest(
    `${protocol}: a TCP port is reached from outside, seen by upnpc, and closed again`,
    async (t, lab) => {
      const home = await openHome(t, lab)
      await tcpListener(home.host, [8_080])
      t.is(await tcpDial(home.outside, WAN_IP, 18_080, CLOSED_MS), 'timeout')
      const request = { transport: 'tcp', port: 8_080, externalPort: 18_080 } as const
      const lease = new LeaseAgent(home.host, { request, protocols: [protocol] })
      t.is(await lease.active(), 18_080)
      t.true(lease.program.lines[0]?.includes(`"protocol":"${protocol}"`))
      t.true(lease.program.lines[0]?.includes(`"externalIp":"${LABEL_IP}"`))
      t.is(await tcpDial(home.outside, WAN_IP, 18_080, DIAL_MS), 'connected')
      t.deepEqual(await listed(home.host), [`TCP 18080->${HOST_IP}:8080`])
      await lease.close()
      t.deepEqual(await listed(home.host), [])
      t.is(await tcpDial(home.outside, WAN_IP, 18_080, CLOSED_MS), 'timeout')
    },
  )

  mappingTest(`${protocol}: a UDP port is reached by a stranger`, async (t, lab) => {
    const home = await openHome(t, lab)
    const inside = await UdpAgent.open(home.host, 7_000)
    const stranger = await UdpAgent.open(home.outside, 4_444)
    const lease = new LeaseAgent(home.host, {
      request: { transport: 'udp', port: 7_000 },
      protocols: [protocol],
    })
    const port = await lease.active()
    await stranger.send(WAN_IP, port, 'hello')
    t.is(await inside.source('hello'), '203.0.113.9 4444')
    await lease.close()
    t.deepEqual(await listed(home.host), [])
  })

  mappingTest(
    `${protocol}: a gateway that loses power has the mapping back when it returns`,
    async (t, lab) => {
      const home = await openHome(t, lab)
      await tcpListener(home.host, [8_080])
      const lease = new LeaseAgent(home.host, {
        request: { transport: 'tcp', port: 8_080 },
        protocols: [protocol],
      })
      const port = await lease.active()
      await home.router.crash()
      await delay(OUTAGE_MS)
      t.is(await tcpDial(home.outside, WAN_IP, port, CLOSED_MS), 'timeout')
      await home.router.restart()
      t.is(await lease.active(), port)
      t.true(lease.program.lines.some((line) => line.includes('"reason":"gateway-reset"')))
      t.is(await tcpDial(home.outside, WAN_IP, port, DIAL_MS), 'connected')
      await lease.close()
      t.deepEqual(await listed(home.host), [])
    },
  )

  mappingTest(`${protocol}: a mapping outlives its lifetime, because it is renewed`, async (t, lab) => {
    const home = await openHome(t, lab)
    await tcpListener(home.host, [8_080])
    const request = { transport: 'tcp', port: 8_080, lifetimeS: 10 } as const
    const lease = new LeaseAgent(home.host, { request, protocols: [protocol] })
    const port = await lease.active()
    // Each renewal is told as a state.
    for (let renewal = 1; renewal <= 3; renewal++) t.is(await lease.active(), port)
    t.is(await tcpDial(home.outside, WAN_IP, port, DIAL_MS), 'connected')
    await lease.close()
    t.deepEqual(await listed(home.host), [])
  })

  mappingTest(
    `${protocol}: two hosts that want one port both get one, and each keeps its own`,
    async (t, lab) => {
      const home = await openHome(t, lab)
      const request = { transport: 'tcp', port: 8_080, externalPort: 18_080 } as const
      const first = new LeaseAgent(home.host, { request, protocols: [protocol] })
      t.is(await first.active(), 18_080)
      const second = new LeaseAgent(home.neighbour, { request, protocols: [protocol] })
      const other = await second.active()
      t.not(other, 18_080)
      t.deepEqual(await listed(home.host), [
        `TCP 18080->${HOST_IP}:8080`,
        `TCP ${other}->${NEIGHBOUR_IP}:8080`,
      ])
      await second.close()
      t.deepEqual(await listed(home.host), [`TCP 18080->${HOST_IP}:8080`])
      await first.close()
      t.deepEqual(await listed(home.host), [])
    },
  )

  mappingTest(
    `${protocol}: exactly this port, which upnpc has taken: refused, and nothing is left`,
    async (t, lab) => {
      const home = await openHome(t, lab)
      const taken = await home.neighbour.exec('upnpc', [
        '-u',
        DESCRIPTION_URL,
        '-a',
        NEIGHBOUR_IP,
        '8080',
        '18080',
        'tcp',
        '600',
      ])
      t.is(taken.code, 0, taken.stdout)
      const before = await listed(home.host)
      const request = {
        transport: 'tcp',
        port: 8_080,
        externalPort: 18_080,
        acceptsOtherPort: false,
      } as const
      const lease = new LeaseAgent(home.host, { request, protocols: [protocol] })
      await lease.program.waitForLine(/"kind":"failed","code":"ERR_REACH_MAPPING_REFUSED"/)
      await lease.program.ended
      t.deepEqual(await listed(home.host), before)
    },
  )
}

mappingTest('PCP is preferred, and natpmpc sees that its port is taken', async (t, lab) => {
  const home = await openHome(t, lab)
  const lease = new LeaseAgent(home.host, { request: { transport: 'tcp', port: 8_080 } })
  const port = await lease.active()
  t.true(lease.program.lines[0]?.includes('"protocol":"pcp"'))
  const elsewhere = await home.neighbour.exec('natpmpc', [
    ...['-g', GATEWAY_IP, '-a', String(port), '9090', 'tcp', '60'],
  ])
  t.regex(elsewhere.stdout, /Mapped public port \d+/)
  t.notRegex(elsewhere.stdout, new RegExp(`Mapped public port ${port} `))
  await lease.close()
  const free = await home.neighbour.exec('natpmpc', [
    ...['-g', GATEWAY_IP, '-a', String(port), '9091', 'tcp', '60'],
  ])
  t.regex(free.stdout, new RegExp(`Mapped public port ${port} `))
})

for (const gatewayIp of ['global', 'link-local'] as const) {
  mappingTest(
    `IPv6: a pinhole lets a stranger in, asked of a gateway with a ${gatewayIp} address`,
    async (t, lab) => {
      const home = await openHome(t, lab)
      const ipv6 = home.site.hostIps[1] ?? ''
      if (gatewayIp === 'link-local') await useLinkLocalGateway(home.host, home.site.gateways[0])
      await tcpListener(home.host, [8_080])
      t.is(await tcpDial(home.outside, ipv6, 8_080, CLOSED_MS), 'timeout')
      const request = { transport: 'tcp', port: 8_080, family: 'ipv6' } as const
      const lease = new LeaseAgent(home.host, { request })
      t.is(await lease.active(), 8_080)
      t.is(await tcpDial(home.outside, ipv6, 8_080, DIAL_MS), 'connected')
      t.regex(await home.router.rules(), /dport 8080 .* accept/)
      await lease.close()
      t.notRegex(await home.router.rules(), /dport 8080/)
      t.is(await tcpDial(home.outside, ipv6, 8_080, CLOSED_MS), 'timeout')
    },
  )
}

mappingTest(
  'a router that lists and forwards nothing: removed twice, told as unreachable',
  async (t, lab) => {
    const home = await openHome(t, lab)
    await home.router.stopForwarding()
    const listener = await tcpListener(home.host, [8_080])
    const lease = new LeaseAgent(home.host, {
      request: { transport: 'tcp', port: 8_080 },
      protocols: ['pcp'],
      asksForProof: true,
    })
    for (let attempt = 1; attempt <= 2; attempt++) {
      const match = await lease.program.waitForLine(/^prove (\d+)$/)
      t.deepEqual(await listed(home.host), [`TCP ${match[1]}->${HOST_IP}:8080`])
      const heard = await tcpDial(home.outside, WAN_IP, Number(match[1]), CLOSED_MS)
      lease.program.say(heard === 'connected' ? 'proven' : 'failed')
    }
    await lease.program.waitForLine(/"kind":"failed","code":"ERR_REACH_MAPPING_UNREACHABLE"/)
    await lease.program.ended
    t.deepEqual(await listed(home.host), [])
    await listener.stop()
  },
)

mappingTest('double NAT: the gateway grants what the carrier’s NAT never lets through', async (t, lab) => {
  const home = await openHome(t, lab, { carrier: MASQUERADE })
  await tcpListener(home.host, [8_080])
  const lease = new LeaseAgent(home.host, {
    request: { transport: 'tcp', port: 8_080 },
    protocols: ['nat-pmp'],
    asksForProof: true,
  })
  for (let attempt = 1; attempt <= 2; attempt++) {
    const match = await lease.program.waitForLine(/^prove (\d+)$/)
    const heard = await tcpDial(home.outside, WAN_IP, Number(match[1]), CLOSED_MS)
    t.not(heard, 'connected')
    lease.program.say('failed')
  }
  await lease.program.waitForLine(/"code":"ERR_REACH_MAPPING_UNREACHABLE"/)
  t.deepEqual(await listed(home.host), [])
})

mappingTest('double NAT: a gateway that knows of it refuses, and its own code is told', async (t, lab) => {
  const home = await openHome(t, lab, { carrier: MASQUERADE, externalIp: undefined })
  const lease = new LeaseAgent(home.host, { request: { transport: 'tcp', port: 8_080 } })
  const match = await lease.program.waitForLine(/"kind":"failed","code":"(\w+)".*/)
  t.is(match[1], 'ERR_REACH_MAPPING_REFUSED', match[0])
  t.regex(match[0], /"resultCode":[1-9]/)
})

mappingTest(
  'what a killed process leaves is removed at the next start; a living one keeps its own',
  async (t, lab) => {
    const home = await openHome(t, lab)
    const folder = await folderOf(t)
    const killed = new LeaseAgent(home.host, { request: { transport: 'tcp', port: 8_080 }, home: folder })
    const living = new LeaseAgent(home.host, { request: { transport: 'tcp', port: 8_081 }, home: folder })
    await Promise.all([killed.active(), living.active()])
    await killed.program.stop('SIGKILL')
    t.is((await listed(home.host)).length, 2)
    const journals = (await readdir(join(folder, 'port-mappings'))).filter((name) => name.endsWith('.json'))
    t.is(journals.length, 2)
    for (const name of journals) t.is((await stat(join(folder, 'port-mappings', name))).mode & 0o777, 0o600)

    const next = new LeaseAgent(home.host, { request: { transport: 'udp', port: 9_000 }, home: folder })
    await next.active()
    t.deepEqual(await listed(home.host), [`TCP 8081->${HOST_IP}:8081`, `UDP 9000->${HOST_IP}:9000`])
    const again = new LeaseAgent(home.host, { request: { transport: 'tcp', port: 8_081 }, home: folder })
    await again.program.waitForLine(/"code":"ERR_REACH_MAPPING_REFUSED".*kept mapped already/)
    await Promise.all([next.close(), living.close()])
    t.deepEqual(await listed(home.host), [])
    t.deepEqual(await readdir(join(folder, 'port-mappings')), [])
  },
)

mappingTest(
  'a process killed while the gateway is silent has noted what it was asking for',
  async (t, lab) => {
    const home = await openHome(t, lab)
    const folder = await folderOf(t)
    await home.site.gateways[0]?.nft(SWALLOW_ANSWERS)
    const killed = new LeaseAgent(home.host, { request: { transport: 'tcp', port: 8_080 }, home: folder })
    await untilMapped(home, 8_080)
    await killed.program.stop('SIGKILL')
    const [name = ''] = (await readdir(join(folder, 'port-mappings'))).filter((file) =>
      file.endsWith('.json'),
    )
    t.regex(await readFile(join(folder, 'port-mappings', name), 'utf8'), /"nonce"/)
    await home.site.gateways[0]?.nft('delete table inet lab_swallow')
    const next = new LeaseAgent(home.host, { request: { transport: 'udp', port: 9_000 }, home: folder })
    await next.active()
    t.deepEqual(await listed(home.host), [`UDP 9000->${HOST_IP}:9000`])
    await next.close()
  },
)

/** The gateway's answers to MAP (60 bytes behind the UDP header) are lost; to ANNOUNCE they are not. */
const SWALLOW_ANSWERS = `
table inet lab_swallow {
  chain output { type filter hook output priority filter; udp sport 5351 udp length 68 drop; }
}
`

async function untilMapped({ router }: MappingHome, port: number): Promise<void> {
  for (let look = 0; look < 100; look++) if ((await router.rules()).includes(`dport ${port} dnat`)) return
  throw new Error(`the router does not map ${port}`)
}
