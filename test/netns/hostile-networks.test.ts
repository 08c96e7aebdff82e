import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import type { Site } from '../../cli/demo/lab/site.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import type { SiteRecipe } from '../../cli/demo/lab/site-kinds.ts'
import { SITE_RECIPES } from '../../cli/demo/lab/site-kinds.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import type { RelayedNetwork } from './support/relayed-network.ts'
import { joinMembers } from './support/relayed-network.ts'
import { RunningProgram } from './support/running-program.ts'
import { bytesOf, hashOf } from './support/test-bytes.ts'
import { folderOf } from './support/test-folder.ts'

/*
 * Networks that let almost nothing out: two members behind each of them reach each other all the same, by `expose` and
 * `connect` of processes of their own, and say which way it was.
 */

const MIB = 1024 * 1024
const LENGTH = 64 * MIB
/** What has gone when something happens; at the rate below, more than two seconds are left then. */
const SOME = 10 * MIB
const RATE = '20m'
const RELAY_IP = '203.0.113.2'
const PROXY_IP = '203.0.113.40'
const BOX_PORT = 8443
const MIDDLEBOX = fileURLToPath(new URL('support/middlebox-main.js', import.meta.url))

const home = SITE_RECIPES['port-preserving']
const onlyPort = (port: number): SiteRecipe => ({ ...home, egress: { kind: 'tcp-ports', ports: [port] } })

interface Scene {
  /** Of both members. */
  readonly recipe: SiteRecipe
  readonly env?: Readonly<Record<string, string>>
  readonly relayFlags?: readonly string[]
  /** What the members’ hosts read in place of /etc/hosts. */
  readonly hosts?: string
  /** Before anybody joins. */
  readonly prepare?: (sites: readonly Site[], proxyHost: LabNode) => Promise<unknown>
}

interface Stage extends RelayedNetwork {
  readonly sites: readonly Site[]
  readonly proxyHost: LabNode
}

async function stage(t: ExecutionContext, lab: NetnsLab, scene: Scene): Promise<Stage> {
  const internet = await lab.internet()
  const etc = scene.hosts === undefined ? {} : { etc: { hosts: scene.hosts } }
  const alice = await openSite(lab, internet, scene.recipe, { number: 1, name: 'alice', ...etc })
  const bob = await openSite(lab, internet, scene.recipe, { number: 2, name: 'bob', ...etc })
  const proxyHost = await lab.host('proxy', { at: internet, ips: [PROXY_IP] })
  await scene.prepare?.([alice, bob], proxyHost)
  const { env = {}, relayFlags = [] } = scene
  const hosts = [alice.host, bob.host] as const
  const network = await joinMembers(t, lab, internet, { relayCount: 1, hosts, env, relayFlags })
  const renewed = await network.bob.run('renew') // as he has joined, from where he is
  t.is(renewed.code, 0, renewed.stderr)
  return { ...network, sites: [alice, bob], proxyHost }
}

interface Joined {
  readonly exposing: RunningProgram
  readonly connecting: RunningProgram
}

/** Alice exposes two ports, bob listens for them, and says by which way. */
async function joinPorts(t: ExecutionContext, { alice, bob }: RelayedNetwork, way: string): Promise<Joined> {
  const exposing = alice.start('expose', '9000', '9001', '--as', 'down', '--as', 'up', '--relay-only')
  for (const name of ['down', 'up'])
    await exposing.waitForLine(new RegExp(`"event":"ready","service":"alice/${name}"`))
  const connecting = bob.start('connect', 'alice/down', '9000', '--relay-only')
  const [line] = await connecting.waitForLine(/^.*"event":"path","peer":"alice".*$/)
  const path = JSON.parse(line) as Record<string, unknown>
  t.is(path['kind'], 'relay')
  t.is(path['way'], way)
  return { exposing, connecting }
}

/** Which way `diagnose` says that a peer would take, from where bob is. */
async function diagnosed({ bob, relays: [relay] }: RelayedNetwork): Promise<unknown> {
  const pin = /"fingerprint":"([0-9a-f]{64})"/.exec(relay?.program.lines.join('\n') ?? '')?.[1] ?? ''
  const { stdout } = await bob.run('diagnose', '--json', '--relay', `https://${RELAY_IP}#sha256=${pin}`)
  const { relays } = JSON.parse(stdout) as { relays: readonly { peerWay: { value: unknown } }[] }
  return relays[0]?.peerWay.value
}

/** What happens in the middle of each direction. */
interface Meanwhile {
  readonly down?: () => Promise<void>
  readonly up?: () => Promise<void>
}

/** 64 MiB from alice to bob, and as much back. */
async function carryBothWays(
  t: ExecutionContext,
  network: RelayedNetwork,
  joined: Joined,
  meanwhile: Meanwhile = {},
): Promise<void> {
  const { alice, bob } = network
  alice.startShell(`${bytesOf('down', LENGTH)} | pv -q -L ${RATE} | nc -N -l 127.0.0.1 9000`)
  await alice.listens(9000)
  const came = bob.shell('nc 127.0.0.1 9000 </dev/null | sha256sum')
  await halfWay(network, meanwhile.down)
  const said = (await came).stdout.slice(0, 64)
  t.is(said, await hashOf(t, alice, bytesOf('down', LENGTH)), told(joined))

  const folder = await folderOf(t)
  const taking = alice.startShell(
    `nc -l 127.0.0.1 9001 | sha256sum > ${folder}/hash; cut -c 1-64 ${folder}/hash`,
  )
  await alice.listens(9001)
  // Nc, as the side that dials, ends only its own direction: the other end closes when it has all.
  const sent = bob.shell(
    `${bytesOf('up', LENGTH)} | pv -q -L ${RATE} | ${bob.connectCommand('alice/up')} --relay-only`,
  )
  await halfWay(network, meanwhile.up)
  await sent
  const [hash] = await taking.waitForLine(/^[0-9a-f]{64}/)
  t.is(hash, await hashOf(t, bob, bytesOf('up', LENGTH)))
}

function told({ exposing, connecting }: Joined): string {
  return [...exposing.lines, exposing.stderr, '---', ...connecting.lines, connecting.stderr].join('\n')
}

/** Lets it happen once the relay has carried some of the bytes. */
async function halfWay({ relays }: RelayedNetwork, happen: (() => Promise<void>) | undefined): Promise<void> {
  const [relay] = relays
  if (relay === undefined || happen === undefined) return
  const before = await relay.relayedBytes()
  for (let tries = 0; (await relay.relayedBytes()) < before + SOME; tries++) {
    if (tries > 300) throw new Error('the relay carries nothing')
    await relay.station.shell('sleep 0.1')
  }
  await happen()
}

/** Tinyproxy, on the internet. */
async function startTinyproxy(
  t: ExecutionContext,
  node: LabNode,
  ...lines: readonly string[]
): Promise<RunningProgram> {
  const folder = await folderOf(t)
  const file = join(folder, 'tinyproxy.conf')
  const common = ['Port 3128', `Listen ${PROXY_IP}`, 'Timeout 600', 'Allow 0.0.0.0/0', 'LogLevel Critical']
  await writeFile(file, [...common, ...lines, ''].join('\n'))
  return startedOn(node, 3128, `exec tinyproxy -d -c ${file}`)
}

async function startedOn(node: LabNode, port: number, line: string): Promise<RunningProgram> {
  const program = new RunningProgram(node.spawn('bash', ['-c', line]))
  const wait = `for i in $(seq 100); do ss -Hltn 'sport = :${port}' | grep -q . && exit 0; sleep 0.1; done; exit 1`
  await node.exec('bash', ['-c', wait], { timeoutMs: 20_000 })
  return program
}

/** A program on each member’s gateway, where connections to port 443 run into it: it hands them on. */
interface Boxes {
  /** Kills them, and starts them again. */
  restart(): Promise<void>
}

async function boxBefore(sites: readonly Site[], kind: string): Promise<Boxes> {
  const gateways = sites.flatMap(({ gateways: [gateway] }) => gateway ?? [])
  const start = async () => {
    const programs = gateways.map((gateway) => {
      const command = [MIDDLEBOX, kind, String(BOX_PORT), RELAY_IP]
      return new RunningProgram(gateway.spawn(process.execPath, command, { env: { PATH: process.env.PATH } }))
    })
    for (const program of programs) await program.waitForLine(/^ready$/)
    return programs
  }
  let running = await start()
  const redirect = `iifname "lan0" tcp dport 443 redirect to :${BOX_PORT}`
  for (const gateway of gateways) {
    await gateway.nft(
      `table ip box { chain pre { type nat hook prerouting priority dstnat - 10; ${redirect}; }; }`,
    )
  }
  const restart = async () => {
    for (const program of running) await program.stop('SIGKILL')
    running = await start()
  }
  return { restart }
}

/** Its only relay is killed and started again while bytes are under way. */
function restartRelay(network: RelayedNetwork): () => Promise<void> {
  return async () => {
    const [relay] = network.relays
    if (relay === undefined) throw new Error('no relay')
    await relay.program.stop('SIGKILL')
    await relay.start()
  }
}

busyNetnsTest(
  'only TCP to port 443 passes: everything goes there, and a relay that restarts loses nothing',
  async (t, lab) => {
    const network = await stage(t, lab, { recipe: SITE_RECIPES['only-tcp-443'] })
    t.is(await diagnosed(network), 'direct')
    const joined = await joinPorts(t, network, 'direct')
    await carryBothWays(t, network, joined, { down: restartRelay(network) })
  },
)

busyNetnsTest('inspection cuts what does not begin as TLS: data go in TLS', async (t, lab) => {
  const network = await stage(t, lab, {
    recipe: SITE_RECIPES['only-tcp-443'],
    prepare: async (sites) => boxBefore(sites, 'only-tls'),
  })
  const joined = await joinPorts(t, network, 'tls')
  await carryBothWays(t, network, joined, { down: restartRelay(network) })
})

busyNetnsTest(
  'only an HTTP proxy leads out: it is used, and when it or the relay restarts nothing is lost',
  async (t, lab) => {
    let proxy: RunningProgram | undefined
    const network = await stage(t, lab, {
      recipe: onlyPort(3128),
      env: { HTTPS_PROXY: `http://${PROXY_IP}:3128` },
      prepare: async (_sites, proxyHost) => (proxy = await startTinyproxy(t, proxyHost)),
    })
    const joined = await joinPorts(t, network, 'connect-proxy')
    const down = async () => {
      await proxy?.stop('SIGKILL')
      await startTinyproxy(t, network.proxyHost)
    }
    await carryBothWays(t, network, joined, { down, up: restartRelay(network) })
  },
)

busyNetnsTest(
  'only an HTTP proxy with a password leads out, and it cuts silent connections: that is learnt',
  async (t, lab) => {
    const settings = ['BasicAuth aladdin opensesame', 'ConnectPort 443', 'Timeout 10']
    let proxy: RunningProgram | undefined
    const network = await stage(t, lab, {
      recipe: onlyPort(3128),
      env: { HTTPS_PROXY: `http://aladdin:opensesame@${PROXY_IP}:3128` },
      prepare: async (_sites, proxyHost) => (proxy = await startTinyproxy(t, proxyHost, ...settings)),
    })
    t.is(await diagnosed(network), 'connect-proxy')
    const joined = await joinPorts(t, network, 'connect-proxy')
    const wrong = network.bob.connectCommand('alice/down').replace('opensesame', 'closed')
    const refused = await network.bob.shell(`${wrong} </dev/null`)
    t.regex(refused.stderr, /it does not accept this user name and password \(40[17]\)/)
    t.regex(refused.stderr, /USER:PASSWORD@/)
    // Cut twice after the same silence, connections speak more often.
    for (const station of [network.alice, network.bob]) {
      const file = join(station.home, 'ways.json')
      const learnt = `for i in $(seq 600); do grep -q keepaliveMs ${file} && exit 0; sleep 0.1; done; exit 1`
      t.is((await station.shell(learnt)).code, 0, told(joined))
    }
    const down = async () => {
      await proxy?.stop('SIGKILL')
      await startTinyproxy(t, network.proxyHost, ...settings)
    }
    await carryBothWays(t, network, joined, { down, up: restartRelay(network) })
    const cuts = () => joined.connecting.lines.filter((line) => line.includes('"event":"path-lost"')).length
    const before = cuts()
    await network.bob.shell('sleep 12') // longer than the proxy bears silence
    t.is(cuts(), before, told(joined))
  },
)

busyNetnsTest(
  'only a SOCKS proxy leads out: when it or the relay restarts nothing is lost',
  async (t, lab) => {
    let proxy: RunningProgram | undefined
    const start = (node: LabNode) =>
      startedOn(node, 1080, `exec microsocks -i ${PROXY_IP} -p 1080 -u genie -P lamp`)
    const network = await stage(t, lab, {
      recipe: onlyPort(1080),
      env: { ALL_PROXY: `socks5h://genie:lamp@${PROXY_IP}:1080` },
      prepare: async (_sites, proxyHost) => (proxy = await start(proxyHost)),
    })
    t.is(await diagnosed(network), 'socks5')
    const joined = await joinPorts(t, network, 'socks5')
    const down = async () => {
      await proxy?.stop('SIGKILL')
      await start(network.proxyHost)
    }
    await carryBothWays(t, network, joined, { down, up: restartRelay(network) })
  },
)

busyNetnsTest('a middlebox that intercepts TLS carries a WebSocket, and is named', async (t, lab) => {
  let boxes: Boxes | undefined
  const network = await stage(t, lab, {
    recipe: SITE_RECIPES['only-tcp-443'],
    prepare: async (sites) => (boxes = await boxBefore(sites, 'interceptor')),
  })
  t.is(await diagnosed(network), 'websocket')
  const joined = await joinPorts(t, network, 'websocket')
  await joined.exposing.waitForLine(
    /"event":"relay".*"way":"websocket".*"interceptedBy":".*Example Corp TLS Inspection/,
  )
  const up = async () => boxes?.restart()
  await carryBothWays(t, network, joined, { down: restartRelay(network), up })
})

busyNetnsTest('names can’t be resolved any more: relays are found where they were', async (t, lab) => {
  const network = await stage(t, lab, {
    recipe: SITE_RECIPES['only-tcp-443'],
    hosts: `127.0.0.1 localhost\n${RELAY_IP} relay.example\n`,
    relayFlags: ['--public', 'relay.example:443'],
  })
  for (const station of [network.alice, network.bob])
    await station.shell('echo 127.0.0.1 localhost > /etc/hosts')
  const gone = await network.bob.shell('getent hosts relay.example')
  t.not(gone.code, 0)
  const joined = await joinPorts(t, network, 'direct')
  await carryBothWays(t, network, joined, { down: restartRelay(network) })
})
