import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { JsonReader } from '../../lib/base/json-reader.ts'
import { isPeerId } from '../../lib/base/peer-id.ts'
import { joinNetwork } from '../../lib/membership/join-network.ts'
import { Membership } from '../../lib/membership/membership.ts'
import { openIdentity } from '../../lib/membership/read-identity.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { Authority } from '../../relay-server/authority/authority.ts'
import { hasAuthority } from '../../relay-server/authority/create-authority.ts'
import { holdHome } from '../../relay-server/local-admin.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { networkOf, runtimeAt } from './network-support.ts'
import { folderOf } from './relay-support/relay.ts'

const AUTHORITY = fileURLToPath(new URL('./crash-support/authority-main.js', import.meta.url))
const MEMBER = fileURLToPath(new URL('./crash-support/join-main.js', import.meta.url))
/** How often a process is killed, over all homes; at night 2,000 times (scripts/night.mjs). */
const KILLS = Number(process.env.P2P_REACH_KILLS ?? '60')
/** Homes side by side, to use the time that processes take to start. */
const LANES = 4

/** What the process promised before it died. */
interface Promises {
  readonly tokens: Set<string>
  readonly members: Set<string>
  readonly revoked: Set<string>
  denyListNumber: number
}

/** Runs the process and kills it; answers the lines that it said. */
async function runAndKill(argv: readonly string[], lifeMs: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
    timer ??= setTimeout(() => child.kill('SIGKILL'), lifeMs)
  })
  await new Promise<void>((resolve) => child.once('close', () => resolve()))
  clearTimeout(timer)
  return said.split('\n').filter((line) => line !== '')
}

/**
 * How long the process takes here and now from its first word to one that says so, over several runs side by side: lives
 * are drawn from that, so that a busy machine is not killed before it has begun.
 */
async function timeUntil(argvs: readonly (readonly string[])[], word: string): Promise<number> {
  const times = await Promise.all(
    argvs.map(async (argv) => {
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
      let startMs: number | undefined
      let tookMs = 0
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        startMs ??= performance.now()
        said += chunk
        if (tookMs > 0 || !said.includes(word)) return
        tookMs = performance.now() - startMs
        child.kill('SIGKILL')
      })
      await new Promise<void>((resolve) => child.once('close', () => resolve()))
      return tookMs
    }),
  )
  return Math.max(1, ...times)
}

function remember(promises: Promises, lines: readonly string[]): void {
  for (const line of lines) {
    const reader = JsonReader.parse(line, 'line')
    const did = reader.text('did')
    if (did === 'invited' || did === 'enrolled') promises.tokens.add(reader.text('tokenId'))
    if (did === 'enrolled') promises.members.add(reader.text('peerId'))
    if (did !== 'revoked') continue
    promises.revoked.add(reader.text('peerId'))
    promises.denyListNumber = Math.max(promises.denyListNumber, reader.count('number'))
  }
}

/** The lock is free, the home opens, and nothing that was promised is lost. */
async function check(t: ExecutionContext, home: string, promises: Promises, where: string): Promise<void> {
  const held = await holdHome(home)
  await held.close()
  if (!(await hasAuthority(home))) {
    t.is(promises.tokens.size, 0, `${where}: the network is gone`)
    return
  }
  const { random, clock } = nodeRuntime()
  const authority = await Authority.open({ home, random, wallMs: () => clock.wallMs() })
  const { members, tokens } = authority.ledger
  for (const tokenId of promises.tokens) t.true(tokens.has(tokenId), `${where}: token ${tokenId} is lost`)
  for (const peerId of promises.members) {
    const member = isPeerId(peerId) ? members.get(peerId) : undefined
    if (member === undefined) t.fail(`${where}: member ${peerId} is lost`)
    // What let it in is burnt in the same step.
    else
      t.true(
        [...tokens.values()].some(({ usedBy }) => usedBy.includes(member.peerId)),
        `${where}: ${peerId}`,
      )
  }
  const { denied } = authority.trust
  for (const peerId of promises.revoked) {
    const member = isPeerId(peerId) ? members.get(peerId) : undefined
    t.true(member !== undefined && denied.has(member.spkiSha256), `${where}: ${peerId} is welcome again`)
  }
  t.true((authority.trust.denyList?.number ?? 0) >= promises.denyListNumber, `${where}: an old deny list`)
  await authority.close()
}

async function lane(t: ExecutionContext, number: number, kills: number, maxLifeMs: number): Promise<number> {
  const random = new SeededRandom(`home-crash-${number}`)
  const folder = folderOf(t)
  let opened = 0
  let home = ''
  let promises: Promises | undefined
  for (let kill = 0; kill < kills; kill++) {
    if (promises === undefined || random.int(0, 5) === 0) {
      home = join(folder, `home-${kill}`)
      mkdirSync(home)
      promises = { tokens: new Set(), members: new Set(), revoked: new Set(), denyListNumber: 0 }
    }
    const lines = await runAndKill([AUTHORITY, home], random.int(0, maxLifeMs))
    if (lines.some((line) => line.includes('"opened"'))) opened++
    remember(promises, lines)
    await check(t, home, promises, `lane ${number}, kill ${kill}`)
  }
  return opened
}

test.serial(
  `a home whose relay is killed ${KILLS} times at random moments opens, and has kept every promise`,
  async (t) => {
    t.timeout(600_000)
    const each = Math.ceil(KILLS / LANES)
    const homes = Array.from({ length: LANES }, () => [AUTHORITY, folderOf(t)])
    // Through the making of the network and a dozen changes.
    const maxLifeMs = Math.ceil(3 * (await timeUntil(homes, '"opened"')))
    const lanes = Array.from({ length: LANES }, (_, number) => lane(t, number, each, maxLifeMs))
    const opened = await Promise.all(lanes)
    const total = opened.reduce((sum, count) => sum + count, 0)
    t.log(`${each * LANES} kills, ${total} of them after the network was open`)
    // Otherwise this test shows nothing.
    t.true(total > (each * LANES) / 10)
  },
)

test.serial(
  'a home whose owner is killed while joining belongs to the network as a whole, or not at all',
  async (t) => {
    t.timeout(600_000)
    const tokenRate = { ratePerS: Infinity, burst: Infinity, maxSources: 10 }
    const network = await networkOf(t, { tokenRate })
    const invite = { name: 'alice', role: 'peer', uses: 10_000, expiresInMs: 3_600_000 } as const
    const { joinString } = await network.admin.invite(invite)
    const random = new SeededRandom('join-crash')
    const runtime = runtimeAt()
    const homes = Array.from({ length: 2 }, () => [MEMBER, folderOf(t), joinString])
    const maxLifeMs = Math.ceil(2 * (await timeUntil(homes, 'joined')))
    let members = 0
    for (let kill = 0; kill < KILLS / 5; kill++) {
      // Half of them meet an empty home, half one that is a member's.
      const home = folderOf(t)
      const argv = [MEMBER, home, joinString]
      const said = await runAndKill(argv, random.int(0, maxLifeMs))
      const before = await openIdentity(home)
      if (said.includes('joined'))
        t.true(before.membership !== undefined, `kill ${kill}: the membership is lost`)
      if (before.membership !== undefined) await Membership.open({ home, runtime })
      await runAndKill(argv, random.int(0, maxLifeMs))
      const after = await openIdentity(home)
      t.is(after.peerId, before.peerId)
      if (before.membership !== undefined) t.is(after.membership?.domain, before.membership.domain)
      if (after.membership !== undefined) members++
      await joinNetwork({ home, joinString, replace: true, runtime })
      await Membership.open({ home, runtime })
    }
    t.log(`${members} of ${KILLS / 5} homes belonged to the network after two kills`)
    t.true(members > 0)
  },
)
