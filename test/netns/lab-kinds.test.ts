import test, { type ExecutionContext } from 'ava'
import type { FamilyTruth } from '../../cli/demo/lab/ground-truth.ts'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NatRules } from '../../cli/demo/lab/nat-rules.ts'
import { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { SITE_RECIPES, type SiteRecipe } from '../../cli/demo/lab/site-kinds.ts'
import { openSite, type Site } from '../../cli/demo/lab/site.ts'
import { tcpDial, tcpListener } from './support/agents.ts'
import { startCoturn } from './support/coturn.ts'
import { coturnHairpin, coturnVerdict, stunClientVerdict, type Reflexion } from './support/nat-judges.ts'
import { canRunLabs } from './support/netns-test.ts'

/*
 * Programs that are not ours judge each kind of site: coturn and its RFC 5780 client, Debian's RFC 3489 client, ping. All
 * sites hang on one internet at once. The rest of the file knows only what those programs print and the ground truth.
 */

const SERVER = { ipv4: '203.0.113.2', ipv6: '2001:db8:0:1::2' }
const SERVER_IPS = [SERVER.ipv4, '203.0.113.3', SERVER.ipv6, '2001:db8:0:1::3']
const TCP_PORTS = [80, 443]
/** A dropped SYN looks like a slow one: the path takes less than a millisecond, this is for a busy machine. */
const TCP_DIAL_TIMEOUT_MS = 2_000

/** With these every mapping meets every filtering. */
const REMAINING_CELLS: Readonly<Record<string, SiteRecipe>> = {
  'ADM and EIF': home({ mapping: 'address-dependent', filtering: 'endpoint-independent' }),
  'ADM and APDF': home({ mapping: 'address-dependent', filtering: 'address-and-port-dependent' }),
  'APDM and ADF': home({
    mapping: 'address-and-port-dependent',
    ports: 'random',
    filtering: 'address-dependent',
  }),
}

const recipes: Readonly<Record<string, SiteRecipe>> = { ...SITE_RECIPES, ...REMAINING_CELLS }
const sites = new Map<string, Site>()
let lab: NetnsLab | undefined

if (canRunLabs) {
  test.before(async () => {
    lab = await NetnsLab.open()
    const internet = await lab.internet()
    const server = await lab.host('server', { at: internet, ips: SERVER_IPS })
    await Promise.all([startCoturn(server, SERVER_IPS), tcpListener(server, TCP_PORTS)])
    for (const [kind, recipe] of Object.entries(recipes)) {
      sites.set(kind, await openSite(lab, internet, recipe, { number: sites.size + 1 }))
    }
  })
  test.after.always(() => lab?.close())
}

for (const kind of Object.keys(recipes)) {
  const declare = canRunLabs ? test : test.skip
  declare(`${kind} is what its ground truth says, by coturn, stun and ping`, async (t) => {
    const site = sites.get(kind)
    if (site === undefined) throw new Error('the site is missing')
    await judgeFamily(t, site, 'ipv4')
    await judgeFamily(t, site, 'ipv6')
  })
}

function home(nat: NatRules): SiteRecipe {
  return { shape: 'home', nat }
}

async function judgeFamily(
  t: ExecutionContext,
  { host, hostIps, truth }: Site,
  family: 'ipv4' | 'ipv6',
): Promise<void> {
  const familyTruth = truth[family]
  const localIp = hostIps.find((ip) => ip.includes(':') === (family === 'ipv6'))
  if (familyTruth === undefined || localIp === undefined) {
    t.is(familyTruth, undefined)
    t.is(localIp, undefined)
    t.regex(
      (await host.exec('ping', ['-c', '1', '-W', '1', SERVER[family]])).stderr,
      /Network is unreachable/,
    )
    return
  }
  // First and alone: the ports of its three flows follow one another.
  await judgeMapping(t, host, familyTruth, localIp, SERVER[family])
  await Promise.all([
    judgeFiltering(t, host, familyTruth, localIp, SERVER[family]),
    judgeTcp(t, host, familyTruth, SERVER[family]),
    judgeHops(t, host, familyTruth, truth.routersToServer, SERVER[family]),
    ...(family === 'ipv4' ? [judgeByStunClient(t, host, familyTruth)] : []),
    ...(family === 'ipv4' ? [judgeHairpin(t, host, familyTruth, localIp)] : []),
  ])
}

async function judgeMapping(
  t: ExecutionContext,
  host: LabNode,
  truth: FamilyTruth,
  localIp: string,
  serverIp: string,
): Promise<void> {
  const { behavior, reflexions, output } = await coturnVerdict(host, 'mapping', localIp, serverIp)
  t.is(behavior, truth.mapping, output)
  t.is(reflexions.length > 0, truth.udpWorks, output)
  for (const { ip } of reflexions) t.true(truth.publicIps.includes(ip), output)
  judgePorts(t, truth, reflexions)
}

function judgePorts(
  t: ExecutionContext,
  { portAllocation }: FamilyTruth,
  reflexions: readonly Reflexion[],
): void {
  const ports = reflexions.map(({ port }) => port)
  const steps = ports.slice(1).map((port, index) => port - (ports[index] ?? 0))
  const isKept = reflexions.map(({ port, localPort }) => port === localPort)
  switch (portAllocation.kind) {
    case 'preserving':
      t.false(isKept.includes(false))
      break
    case 'random':
      t.false(isKept.includes(true))
      t.false(steps.length === 2 && steps[0] === steps[1], `${ports.join(', ')} are evenly spaced`)
      break
    case 'sequential':
      t.deepEqual(steps, [portAllocation.step, portAllocation.step])
      break
    case 'block':
      t.true(ports.every((port) => port >= portAllocation.min && port <= portAllocation.max))
      t.true(new Set(ports).size > 1)
      break
    case 'unknown':
      t.is(reflexions.length, 0)
  }
}

async function judgeFiltering(
  t: ExecutionContext,
  host: LabNode,
  truth: FamilyTruth,
  localIp: string,
  serverIp: string,
): Promise<void> {
  const { behavior, output } = await coturnVerdict(host, 'filtering', localIp, serverIp)
  // To coturn's client an open host filters independently of the endpoint.
  t.is(behavior, truth.filtering === 'none' ? 'endpoint-independent' : truth.filtering, output)
}

async function judgeByStunClient(t: ExecutionContext, host: LabNode, truth: FamilyTruth): Promise<void> {
  t.is(await stunClientVerdict(host, SERVER.ipv4), expectedOfStunClient(truth))
}

/** The ground truth in the words of RFC 3489's classification. */
function expectedOfStunClient(truth: FamilyTruth): string {
  if (!truth.udpWorks) return 'Blocked or could not reach STUN server'
  if (truth.mapping === 'none') return truth.filtering === 'none' ? 'Open' : 'Firewall'
  const ports = truth.portAllocation.kind === 'preserving' ? 'preserves ports' : 'random port'
  const tail = `${ports}, ${truth.hairpin === true ? 'will' : 'no'} hairpin`
  if (truth.mapping !== 'endpoint-independent') return `Dependent Mapping, ${tail}`
  const filters = {
    none: '',
    unknown: '',
    'endpoint-independent': 'Independent Filter',
    'address-dependent': 'Address Dependent Filter',
    'address-and-port-dependent': 'Port Dependent Filter',
  }
  return `Independent Mapping, ${filters[truth.filtering]}, ${tail}`
}

async function judgeHairpin(
  t: ExecutionContext,
  host: LabNode,
  truth: FamilyTruth,
  localIp: string,
): Promise<void> {
  // Without translation the packet never leaves the host; without UDP there is nothing to see.
  if (truth.hairpin === 'unknown') return
  t.is(await coturnHairpin(host, localIp, SERVER.ipv4), truth.hairpin)
}

async function judgeTcp(
  t: ExecutionContext,
  host: LabNode,
  truth: FamilyTruth,
  serverIp: string,
): Promise<void> {
  for (const port of TCP_PORTS) {
    const isOpen = truth.tcpPorts === 'all' || truth.tcpPorts.includes(port)
    t.is(
      await tcpDial(host, serverIp, port, TCP_DIAL_TIMEOUT_MS),
      isOpen ? 'connected' : 'timeout',
      `port ${port}`,
    )
  }
}

/** A packet that may cross all routers but the last expires there; one hop more reaches the server. */
async function judgeHops(
  t: ExecutionContext,
  host: LabNode,
  truth: FamilyTruth,
  routers: number,
  serverIp: string,
): Promise<void> {
  const ping = (ttl: number) => host.exec('ping', ['-c', '1', '-W', '2', '-t', String(ttl), serverIp])
  t.regex((await ping(1)).stdout, /Time (to live )?exceeded/)
  // Where only some TCP or nothing passes, neither do pings.
  if (!truth.udpWorks && truth.tcpPorts !== 'all') {
    t.not((await ping(64)).code, 0)
    return
  }
  t.regex((await ping(routers)).stdout, /Time (to live )?exceeded/)
  const reached = await ping(routers + 1)
  t.is(reached.code, 0, reached.stdout)
}
