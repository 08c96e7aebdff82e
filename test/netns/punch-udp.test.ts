import type { ExecutionContext } from 'ava'
import type { NatBehavior } from '../../lib/base/nat-behavior.ts'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import type { SiteKind } from '../../cli/demo/lab/site-kinds.ts'
import { openSite, type Site } from '../../cli/demo/lab/site.ts'
import { loadUdx } from '../../lib/net/udx-native.ts'
import { supportScript } from './support/agents.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import type { PunchAgentOptions } from './support/punch-agent.ts'
import { startRelay } from './support/relay-process.ts'
import { carrySignals, jsonOf } from './support/punch-talk.ts'
import { RunningProgram } from './support/running-program.ts'
import { EASY, HARD } from '../support/nat-behaviors.ts'

/* Two processes behind real Linux NATs punch a hole and send data through it. A relay of ours answers STUN and nothing else. */

const STUN_IP = '203.0.113.2'

/** Where a side stands, and what a survey would have told it. */
interface Side {
  readonly kind: SiteKind
  readonly nat: NatBehavior
}

/** What an agent says of its punch. */
interface Result {
  readonly isDirect: boolean
  readonly recipe: string
  readonly sockets: number
  readonly elapsedMs: number
  readonly remote: { readonly ip: string }
}

function startAgent(host: LabNode, options: PunchAgentOptions): RunningProgram {
  const argv = [supportScript('punch-agent.js'), JSON.stringify(options)]
  return new RunningProgram(host.spawn(process.execPath, argv, { env: { PATH: process.env.PATH } }))
}

/** Two sites, and what a process on each of them came to. */
interface Meeting {
  readonly sites: readonly Site[]
  readonly agents: readonly RunningProgram[]
  readonly results: readonly Result[]
}

/** @param attempts a birthday search of 10 s misses one time in a hundred, which is what a test must allow for */
async function meet(lab: NetnsLab, sides: readonly Side[], attempts: number): Promise<Meeting> {
  const internet = await lab.internet()
  await startRelay(await lab.host('relay', { at: internet, ips: [STUN_IP] }), [STUN_IP])
  const sites = await Promise.all(
    sides.map(({ kind }, index) => openSite(lab, internet, kind, { number: index + 1 })),
  )
  for (;;) {
    const agents = sites.map(({ host }, index) => startAgent(host, optionsOf(sides, index)))
    for (const [index, agent] of agents.entries()) {
      const peer = agents[1 - index]
      if (peer !== undefined) void carrySignals(agent, peer)
    }
    const results = (await Promise.all(agents.map((agent) => jsonOf(agent, 'result')))) as Result[]
    if (--attempts <= 0 || results.every(({ isDirect }) => isDirect)) return { sites, agents, results }
    for (const agent of agents) await agent.stop()
  }
}

function optionsOf(sides: readonly Side[], index: number): PunchAgentOptions {
  const [ours, theirs] = index === 0 ? sides : [...sides].reverse()
  if (ours === undefined || theirs === undefined) throw new Error('there are two sides')
  return {
    role: index === 0 ? 'controlling' : 'controlled',
    ours: ours.nat,
    theirs: theirs.nat,
    stun: { ip: STUN_IP, port: 3478 },
  }
}

async function punches(
  t: ExecutionContext,
  lab: NetnsLab,
  sides: readonly Side[],
  attempts = 1,
): Promise<readonly Result[]> {
  const { sites, agents, results } = await meet(lab, sides, attempts)
  const printed = agents.map(({ lines, stderr }) => `${lines.join('\n')}\n${stderr}`).join('\n')
  t.true(
    results.every(({ isDirect }) => isDirect),
    printed,
  )
  const [mine, theirs] = (await Promise.all(agents.map((agent) => jsonOf(agent, 'hashes')))) as string[][]
  t.deepEqual(mine, [...(theirs ?? [])].reverse())
  t.not(mine?.[0], mine?.[1])
  for (const agent of agents) t.deepEqual(await agent.ended, { code: 0, signal: undefined }, agent.stderr)
  for (const [index, { truth }] of sites.entries()) {
    t.true(truth.ipv4?.publicIps.includes(results[1 - index]?.remote.ip ?? ''))
  }
  return results
}

if ((await loadUdx()) === undefined)
  console.warn('punches over UDP are skipped: this system has no udx-native')
else declareTests()

function declareTests(): void {
  const masquerade: Side = { kind: 'port-preserving', nat: EASY }
  const random: Side = { kind: 'fully-random', nat: HARD }

  busyNetnsTest('two masquerading NATs: one socket each, and 4 MiB go both ways', async (t, lab) => {
    for (const { recipe, sockets } of await punches(t, lab, [masquerade, masquerade])) {
      t.is(recipe, 'plain')
      t.true(sockets <= 4)
    }
  })

  busyNetnsTest(
    'a NAT with random ports and a masquerading one meet by birthday, and all is closed',
    async (t, lab) => {
      const [opener, searcher] = await punches(t, lab, [random, masquerade], 3)
      t.deepEqual([opener?.recipe, searcher?.recipe], ['birthday', 'birthday'])
      t.deepEqual([opener?.sockets, searcher?.sockets], [256, 1])
    },
  )
}
