import type { ExecutionContext } from 'ava'
import type { WanInput } from '../../cli/demo/lab/gateway-ruleset.ts'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import type { SiteKind } from '../../cli/demo/lab/site-kinds.ts'
import { openSite, type Site } from '../../cli/demo/lab/site.ts'
import { supportScript } from './support/agents.ts'
import { delayTowards, whyNoDelays } from './support/delay-line.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import { startRelay } from './support/relay-process.ts'
import { carrySignals, jsonOf } from './support/punch-talk.ts'
import { RunningProgram } from './support/running-program.ts'
import type { TcpPunchAgentOptions, TcpPunchAgentResult } from './support/tcp-punch-agent.ts'

/*
 * Two processes find a direct connection where UDP is blocked, and send data through it. A relay of ours answers STUN over
 * TCP and nothing else.
 */

const STUN_IPS = ['203.0.113.2', '203.0.113.3']
const PORT = 4433

/** Where a side stands. */
interface Side {
  readonly kind?: SiteKind
  /** What its router does with SYNs that nobody inside expects. */
  readonly wanInput?: WanInput
}

function startAgent(host: LabNode, index: number, part: Partial<TcpPunchAgentOptions>): RunningProgram {
  const options: TcpPunchAgentOptions = {
    role: index === 0 ? 'controlling' : 'controlled',
    ...{ stunIps: STUN_IPS, portIsPreserved: true, signallingRttMs: 4, dials: [], punches: true },
    ...part,
  }
  const argv = [supportScript('tcp-punch-agent.js'), JSON.stringify(options)]
  return new RunningProgram(host.spawn(process.execPath, argv, { env: { PATH: process.env.PATH } }))
}

/** Lets both begin at once, and gives what they came to. */
async function run(agents: readonly RunningProgram[]): Promise<readonly TcpPunchAgentResult[]> {
  for (const [index, agent] of agents.entries()) {
    await agent.waitForLine(/^ready$/)
    const peer = agents[1 - index]
    if (peer !== undefined) void carrySignals(agent, peer)
  }
  for (const agent of agents) agent.say('go')
  return (await Promise.all(agents.map((agent) => jsonOf(agent, 'result')))) as TcpPunchAgentResult[]
}

/** What was sent on one side came on the other, and the processes end by themselves. */
async function carriesData(t: ExecutionContext, agents: readonly RunningProgram[]): Promise<void> {
  const [mine, theirs] = (await Promise.all(agents.map((agent) => jsonOf(agent, 'hashes')))) as string[][]
  t.deepEqual(mine, [...(theirs ?? [])].reverse())
  t.not(mine?.[0], mine?.[1])
  for (const agent of agents) t.deepEqual(await agent.ended, { code: 0, signal: undefined }, agent.stderr)
}

async function openSites(lab: NetnsLab, sides: readonly Side[], delayMs = 0): Promise<readonly Site[]> {
  const internet = await lab.internet()
  await startRelay(await lab.host('relay', { at: internet, ips: STUN_IPS }), STUN_IPS)
  const sites = await Promise.all(
    sides.map(({ kind = 'udp-blocked', wanInput }, index) =>
      openSite(lab, internet, kind, { number: index + 1, ...(wanInput === undefined ? {} : { wanInput }) }),
    ),
  )
  const publicIps = sites.flatMap(({ truth }) => truth.ipv4?.publicIps ?? [])
  if (delayMs > 0) await delayTowards(internet, publicIps, delayMs)
  return sites
}

async function opensFromBothSides(
  t: ExecutionContext,
  sites: readonly Site[],
  part: Partial<TcpPunchAgentOptions> = {},
): Promise<readonly TcpPunchAgentResult[]> {
  const agents = sites.map(({ host }, index) => startAgent(host, index, part))
  const results = await run(agents)
  const printed = agents.map(({ lines, stderr }) => `${lines.join('\n')}\n${stderr}`).join('\n')
  for (const [index, { how, remote }] of results.entries()) {
    t.is(how, 'simultaneous', printed)
    t.true(sites[1 - index]?.truth.ipv4?.publicIps.includes(remote?.ip ?? ''), printed)
  }
  await carriesData(t, agents)
  return results
}

busyNetnsTest('two NATs that drop: the first connection from both sides comes through', async (t, lab) => {
  const results = await opensFromBothSides(t, await openSites(lab, [{}, {}]))
  for (const { rounds, errors } of results) t.deepEqual([rounds, errors], [1, {}])
})

busyNetnsTest('a NAT that drops and one that answers with a reset', async (t, lab) => {
  const sides = [{ wanInput: 'drop' }, { wanInput: 'reject' }] as const
  const results = await opensFromBothSides(t, await openSites(lab, sides))
  for (const { rounds } of results) t.is(rounds, 1)
})

busyNetnsTest(
  'a NAT that gives other ports: what its STUN server saw is where the peer connects to',
  async (t, lab) => {
    const sites = await openSites(lab, [{ kind: 'port-translating' }, {}])
    const [, other] = await opensFromBothSides(t, sites, { portIsPreserved: false })
    t.true((other?.remote?.port ?? 0) < 16_000)
  },
)

busyNetnsTest('NATs with random ports never meet, and say what was tried', async (t, lab) => {
  const sites = await openSites(lab, [{ kind: 'fully-random' }, { kind: 'fully-random' }])
  const agents = sites.map(({ host }, index) => startAgent(host, index, {}))
  const results = await run(agents)
  for (const { how, rounds, connects } of results) {
    t.is(how, undefined)
    t.is(rounds, 3)
    t.true(connects >= 3 && connects <= 12)
  }
  for (const agent of agents) t.deepEqual(await agent.ended, { code: 0, signal: undefined }, agent.stderr)
})

busyNetnsTest('a side without a NAT is dialled by one behind a NAT', async (t, lab) => {
  const [home, open] = await openSites(lab, [{}, { kind: 'open' }])
  if (home === undefined || open === undefined) return t.fail()
  const [ip = ''] = open.hostIps
  const agents = [
    startAgent(home.host, 0, { punches: false, dials: [{ ip, port: PORT }] }),
    startAgent(open.host, 1, { punches: false, listensOn: PORT }),
  ]
  const [dialling, accepting] = await run(agents)
  t.deepEqual([dialling?.how, accepting?.how], ['dialled', 'accepted'])
  t.deepEqual(dialling?.remote?.port, PORT)
  await carriesData(t, agents)
})

busyNetnsTest('on one host, where resets are lost, each round opens from both sides', async (t, lab) => {
  const host = await lab.host('host')
  await host.nft(
    'table ip lost { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }',
  )
  await startRelay(host, ['127.0.0.1'])
  const agents = [0, 1].map((index) => startAgent(host, index, { stunIps: ['127.0.0.1'] }))
  for (const { how, remote } of await run(agents))
    t.deepEqual([how, remote?.ip], ['simultaneous', '127.0.0.1'])
  await carriesData(t, agents)
})

const reason = whyNoDelays()
if (reason !== undefined) console.warn(`simultaneous opens with a delay are skipped: ${reason}`)
else declareDelayed()

function declareDelayed(): void {
  busyNetnsTest('two NATs that answer with a reset, 20 ms apart: SYNs cross on the way', async (t, lab) => {
    const sides = [{ wanInput: 'reject' }, { wanInput: 'reject' }] as const
    const results = await opensFromBothSides(t, await openSites(lab, sides, 20))
    t.log(results.map(({ connects, rounds }) => ({ connects, rounds })))
  })

  busyNetnsTest('the same when one side begins 100 ms late: they try until SYNs cross', async (t, lab) => {
    const sides = [{ wanInput: 'reject' }, { wanInput: 'reject' }] as const
    const sites = await openSites(lab, sides, 20)
    const [late, early] = await opensFromBothSides(t, sites, { signallingRttMs: 200 })
    t.true((early?.errors['ECONNREFUSED'] ?? 0) > 0)
    t.log([late, early].map((result) => result?.connects))
  })

  busyNetnsTest('two masquerading Linux routers without a firewall, 20 ms apart', async (t, lab) => {
    const sides = [{ wanInput: 'accept' }, { wanInput: 'accept' }] as const
    const results = await opensFromBothSides(t, await openSites(lab, sides, 20))
    t.log(results.map(({ connects, rounds }) => ({ connects, rounds })))
  })
}
