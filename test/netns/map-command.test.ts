import type { ExecutionContext } from 'ava'
import type { Gateway } from '../../cli/demo/lab/gateway.ts'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import type { SiteKind } from '../../cli/demo/lab/site-kinds.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import type { DiagnoseReport } from '../../lib/index.ts'
import { Miniupnpd, missingMappingTools } from './support/miniupnpd.ts'
import type { MiniupnpdOptions } from './support/miniupnpd.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import { Station } from './support/relayed-network.ts'
import type { RunningProgram } from './support/running-program.ts'
import { folderOf } from './support/test-folder.ts'

/*
 * `p2p-reach map` as a person runs it: a real miniupnpd in the router, a real relay on the internet that proves, and
 * somebody on the internet who connects.
 */

const RELAY_IP = '203.0.113.2'
/** What site 2 is seen as. */
const OUTSIDE_IP = '198.51.100.50'
const PORT = 25_565

interface Home {
  readonly alice: Station
  readonly visitor: LabNode
  readonly gateway: Gateway
  /** Undefined where the router maps nothing. */
  readonly router: Miniupnpd | undefined
  /** The ports that the router lists. */
  readonly listed: () => Promise<string>
}

interface HomeOptions {
  readonly kind?: SiteKind
  readonly router?: MiniupnpdOptions | 'none'
  readonly isMember?: boolean
}

async function homeOf(t: ExecutionContext, lab: NetnsLab, options: HomeOptions = {}): Promise<Home> {
  const { kind = 'port-preserving', isMember = true } = options
  const internet = await lab.internet()
  const visitor = await lab.host('visitor', { at: internet, ips: ['203.0.113.7'] })
  const site = await openSite(lab, internet, kind, { number: 2, name: 'alice' })
  const alice = new Station(site.host, await folderOf(t))
  const [gateway] = site.gateways
  if (gateway === undefined) throw new RangeError(`${kind} has no gateway`)
  const router =
    options.router === 'none' ? undefined : await Miniupnpd.start(gateway, await folderOf(t), options.router)
  if (isMember) {
    const relay = new Station(await lab.host('relay', { at: internet, ips: [RELAY_IP] }), await folderOf(t))
    const up = relay.start('relay', 'up', '--listen', `${RELAY_IP}:443`, '--stun', `${RELAY_IP}:3478`)
    await up.waitForLine(/"event":"ready"/)
    const { stdout, stderr } = await relay.run('invite', 'alice')
    t.regex(stdout, /^p2pr1/, stderr)
    const joined = await alice.run('join', stdout.trim())
    t.is(joined.code, 0, joined.stderr)
  }
  const listed = async () => (await alice.shell('upnpc -l')).stdout
  return { alice, visitor, gateway, router, listed }
}

/** A program of alice's that greets whoever connects. */
async function greeter(alice: Station): Promise<RunningProgram> {
  const program = alice.startShell(`exec socat TCP-LISTEN:${PORT},fork,reuseaddr SYSTEM:'echo hello'`)
  await alice.listens(PORT)
  return program
}

/** What somebody on the internet hears at the mapped port. */
async function knock(visitor: LabNode, port = PORT): Promise<string> {
  const line = `nc -w 5 ${OUTSIDE_IP} ${port} </dev/null`
  return (await visitor.exec('bash', ['-c', line], { timeoutMs: 20_000 })).stdout
}

async function ready(program: RunningProgram): Promise<Readonly<Record<string, unknown>>> {
  const [line] = await program.waitForLine(/^.*"event":"ready".*$/)
  return JSON.parse(line) as Readonly<Record<string, unknown>>
}

function mapTest(title: string, body: (t: ExecutionContext, lab: NetnsLab) => Promise<void>): void {
  busyNetnsTest(title, async (t, lab) => {
    const missing = missingMappingTools()
    if (missing === undefined) return body(t, lab)
    t.log(`skipped: ${missing}`)
    t.pass()
  })
}

mapTest(
  'a program’s port is mapped, proven by the relay, reached from the internet, and removed by SIGTERM',
  async (t, lab) => {
    const { alice, visitor, listed } = await homeOf(t, lab)
    await greeter(alice)
    t.is(await knock(visitor), '')
    const program = alice.start('map', String(PORT))
    const said = await ready(program)
    t.like(said, {
      external: `${OUTSIDE_IP}:${PORT}`,
      transport: 'tcp',
      proof: 'accepted',
      provenBy: `${RELAY_IP}:443`,
    })
    t.like(said, { gateway: '192.168.2.1', internal: `192.168.2.10:${PORT}` })
    t.true(typeof said.lifetimeS === 'number' && said.lifetimeS > 0)
    t.is(await knock(visitor), 'hello\n')
    t.regex(await listed(), new RegExp(`TCP +${PORT}->192\\.168\\.2\\.10:${PORT}`))
    t.deepEqual(await program.stop('SIGTERM'), { code: 0, signal: undefined }, program.stderr)
    t.regex(program.lines.at(-1) ?? '', /"event":"closed","reason":"interrupted"/)
    t.notRegex(await listed(), new RegExp(`${PORT}->`))
    t.is(await knock(visitor), '')
  },
)

mapTest('a port that is free is proven by what comes in; UDP, too', async (t, lab) => {
  const { alice } = await homeOf(t, lab)
  const tcp = alice.start('map', '30001')
  t.like(await ready(tcp), { external: `${OUTSIDE_IP}:30001`, proof: 'received' })
  await tcp.stop()
  const udp = alice.start('map', '30002', '--udp')
  t.like(await ready(udp), { external: `${OUTSIDE_IP}:30002`, transport: 'udp', proof: 'received' })
  await udp.stop('SIGINT')
  alice.startShell('exec socat UDP-RECVFROM:30003,fork -')
  await alice.shell('for i in $(seq 100); do ss -Hlun sport = :30003 | grep -q . && exit; sleep 0.1; done')
  const busy = alice.start('map', '30003', '--udp', '--external', '30004')
  t.like(await ready(busy), { external: `${OUTSIDE_IP}:30004`, proof: 'inferred' })
  t.deepEqual(await busy.stop(), { code: 0, signal: undefined }, busy.stderr)
})

mapTest('what a kill leaves behind is removed by the next start', async (t, lab) => {
  const { alice, listed } = await homeOf(t, lab)
  const program = alice.start('map', String(PORT))
  await ready(program)
  await program.stop('SIGKILL')
  t.regex(await listed(), new RegExp(`${PORT}->`))
  const next = alice.start('map', '30001')
  await ready(next)
  const after = await listed()
  t.notRegex(after, new RegExp(`${PORT}->`))
  t.regex(after, /30001->/)
  await next.stop()
})

mapTest(
  'a router that lists and drops: nobody is told of the mapping, it is removed, and the exit code is 3',
  async (t, lab) => {
    const { alice, router, listed } = await homeOf(t, lab)
    await greeter(alice)
    await router?.stopForwarding()
    const { code, stdout, stderr } = await alice.run('map', String(PORT), '--json')
    t.is(code, 3, stderr)
    t.notRegex(stdout, /"ready"/)
    t.regex(stderr, /error: .*granted tcp port 25565, but nothing comes in at 198\.51\.100\.50:25565/)
    t.regex(stderr, /hint: /)
    t.notRegex(await listed(), new RegExp(`${PORT}->`))
  },
)

mapTest('behind a second NAT the layer is named, with its address and what to ask for', async (t, lab) => {
  const { alice } = await homeOf(t, lab, {
    kind: 'cgn-port-preserving',
    router: { externalIp: undefined },
  })
  const { code, stderr } = await alice.run('map', String(PORT), '--udp')
  t.is(code, 3, stderr)
  t.regex(
    stderr,
    /192\.168\.2\.1 refuses .*; the router behind it, 100\.64\.0\.1, belongs to a carrier’s NAT/,
  )
  t.regex(stderr, /hint: ask the provider for a public IPv4 address/)
})

mapTest('who belongs to no network gets the mapping, and hears that nobody has proven it', async (t, lab) => {
  const { alice, visitor } = await homeOf(t, lab, { isMember: false })
  await greeter(alice)
  const program = alice.start('map', String(PORT))
  const said = await ready(program)
  t.like(said, { proof: 'unproven', why: 'no-relay', externalPort: PORT })
  t.regex(String(said.hint), /p2p-reach join/)
  t.is(await knock(visitor), 'hello\n')
  t.deepEqual(await program.stop(), { code: 0, signal: undefined }, program.stderr)
})

mapTest('without a router that maps ports the exit code is 3, and the remedy is told', async (t, lab) => {
  const { alice } = await homeOf(t, lab, { router: 'none', isMember: false })
  const { code, stderr } = await alice.run('map', String(PORT))
  t.is(code, 3, stderr)
  t.regex(stderr, /hint: /)
})

mapTest(
  'diagnose --deep of a member proves port mapping, finds a dead one out, and leaves nothing behind',
  async (t, lab) => {
    // Without UDP to the outside the slow questions about bindings are not asked.
    const { alice, router, listed } = await homeOf(t, lab, { kind: 'udp-blocked' })
    const pcp = async (...flags: readonly string[]) => {
      const { stdout, stderr } = await alice.run('diagnose', '--json', '--stun', `${RELAY_IP}:3478`, ...flags)
      t.true(stdout.startsWith('{'), stderr)
      return (JSON.parse(stdout) as DiagnoseReport).portMapping.pcp
    }
    t.like(await pcp(), { value: 'available', proven: 'unknown' })
    t.like(await pcp('--deep'), {
      value: 'available',
      confidence: 'measured',
      proven: true,
      gateway: '192.168.2.1',
    })
    t.notRegex(await listed(), /->192/)
    await router?.stopForwarding()
    t.like(await pcp('--deep'), { value: 'unreachable-from-outside', proven: false })
    t.notRegex(await listed(), /->192/)
  },
)

mapTest(
  'the same over UPnP alone: mapped, proven, inferred, removed, and cleaned up after a kill',
  async (t, lab) => {
    const { alice, visitor, listed } = await homeOf(t, lab, { router: { natPmp: false } })
    await greeter(alice)
    const program = alice.start('map', String(PORT))
    t.like(await ready(program), { external: `${OUTSIDE_IP}:${PORT}`, protocol: 'upnp', proof: 'accepted' })
    t.is(await knock(visitor), 'hello\n')
    await program.stop('SIGKILL')
    t.regex(await listed(), new RegExp(`${PORT}->`))
    const next = alice.start('map', '30001', '--udp')
    t.like(await ready(next), { external: `${OUTSIDE_IP}:30001`, protocol: 'upnp', proof: 'received' })
    t.notRegex(await listed(), new RegExp(`${PORT}->`))
    t.deepEqual(await next.stop(), { code: 0, signal: undefined }, next.stderr)
    t.notRegex(await listed(), /->192/)
  },
)

mapTest(
  'a port outside that somebody else has is not had: the exit code is 3, and another one is asked for',
  async (t, lab) => {
    const { alice, gateway, listed } = await homeOf(t, lab, { isMember: false })
    const other = await lab.host('other')
    await gateway.attach(other, { ips: ['192.168.2.11'] })
    await other.exec('upnpc', ['-a', '192.168.2.11', '30001', '30010', 'TCP'], { timeoutMs: 20_000 })
    t.regex(await listed(), /30010->192\.168\.2\.11:30001/)
    const { code, stderr } = await alice.run('map', '30002', '--external', '30010')
    t.is(code, 3, stderr)
    t.regex(stderr, /error: 192\.168\.2\.1 /)
    t.regex(stderr, /hint: .*another port/)
    t.regex(await listed(), /30010->192\.168\.2\.11:30001/)
    t.notRegex(await listed(), /->192\.168\.2\.10:/)
  },
)
