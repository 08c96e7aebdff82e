/**
 * How long it takes from `connect()` to the first byte, which comes over the relay, and to a direct path, by the kinds of
 * NATs on both sides: p50 and p95 over a number of runs, each a new process in a host of the lab, so that nothing is
 * known beforehand. The clock starts when the relay is connected. A delay on the way can be added where the kernel has
 * `sch_netem`. Needs root (network namespaces).
 *
 *   npm run build:test && node build/bench/direct.js [RUNS] [PART OF A TITLE]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CLI } from '../cli/program-files.ts'
import type { LabNode } from '../cli/demo/lab/lab-node.ts'
import { NetnsLab } from '../cli/demo/lab/netns-lab.ts'
import type { SiteKind } from '../cli/demo/lab/site-kinds.ts'
import { openSite } from '../cli/demo/lab/site.ts'
import { Peer } from '../lib/index.ts'
import { RunningProgram } from '../test/netns/support/running-program.ts'

/** What one process measured, in ms from the call of `connect`; null: never, within the time. */
interface Run {
  readonly firstByteMs: number
  readonly directMs: number | null
  readonly kind: string | null
}

interface Pair {
  readonly title: string
  readonly sites: readonly [SiteKind, SiteKind]
  /** Between two runs. @default 0 */
  readonly pauseMs?: number
}

/** Storms of packets of one host are 20 s apart; with a pause, no run waits for the turn after the one before it. */
const PAUSE_MS = 20_000

const PAIRS: readonly Pair[] = [
  { title: 'open × home', sites: ['open', 'port-preserving'] },
  { title: 'home × home', sites: ['port-preserving', 'port-preserving'] },
  { title: 'full cone × random', sites: ['full-cone', 'fully-random'] },
  { title: 'carrier × home', sites: ['cgn-port-preserving', 'port-preserving'] },
  { title: 'IPv6 firewalls', sites: ['ipv6-firewall', 'ipv6-firewall'] },
  { title: 'sequential × home', sites: ['sequential', 'port-preserving'] },
  { title: 'random × home', sites: ['fully-random', 'port-preserving'], pauseMs: PAUSE_MS },
  { title: 'block × block', sites: ['block-random', 'block-random'], pauseMs: PAUSE_MS },
  { title: 'random × home, at once', sites: ['fully-random', 'port-preserving'] },
]
const WAIT_MS = 30_000
const SCRIPT = fileURLToPath(import.meta.url)

if (process.argv[2] === 'dial') console.log(JSON.stringify(await dial(process.argv[3] ?? '')))
else await compare(Number(process.argv[2] ?? 10), process.argv[3] ?? '')

async function dial(home: string): Promise<Run> {
  await using peer = await Peer.open({ home })
  await peer.peers() // a relay is connected
  const startMs = performance.now()
  const stream = await peer.connect('alice/echo', { firstBytes: Uint8Array.of(1) })
  await new Promise((resolve) => stream.once('data', resolve))
  const firstByteMs = performance.now() - startMs
  stream.end()
  try {
    for await (const { kind } of peer.session('alice').paths(AbortSignal.timeout(WAIT_MS))) {
      if (kind !== 'relay') return { firstByteMs, directMs: performance.now() - startMs, kind }
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error
  }
  return { firstByteMs, directMs: null, kind: null }
}

async function compare(runs: number, part: string): Promise<void> {
  console.log(
    `${'pair'.padEnd(20)} ${'direct'.padEnd(9)} ${'kinds'.padEnd(24)} first byte p50    p95   direct p50    p95 (ms)`,
  )
  for (const pair of PAIRS) {
    if (pair.title.includes(part)) print(pair.title, await measure(pair, runs))
  }
}

async function measure({ sites, pauseMs = 0 }: Pair, runs: number): Promise<readonly Run[]> {
  const folders = await Promise.all(
    ['relay', 'alice', 'bob'].map((name) => mkdtemp(join(tmpdir(), `p2p-reach-${name}-`))),
  )
  const [relayHome = '', aliceHome = '', bobHome = ''] = folders
  await using lab = await NetnsLab.open()
  try {
    const internet = await lab.internet()
    const relay = await lab.host('relay', { at: internet, ips: ['203.0.113.2', '203.0.113.3'] })
    const alice = await openSite(lab, internet, sites[0], { number: 1, name: 'alice' })
    const bob = await openSite(lab, internet, sites[1], { number: 2, name: 'bob' })
    const listen = ['--listen', '203.0.113.2:443', '--stun', '203.0.113.2:3478', '--stun', '203.0.113.3:3478']
    await start(relay, relayHome, 'relay', 'up', ...listen).waitForLine(/"event":"ready"/)
    for (const [name, host, home] of [
      ['alice', alice.host, aliceHome],
      ['bob', bob.host, bobHome],
    ] as const) {
      const invitation = await run(relay, relayHome, 'invite', name)
      await run(host, home, 'join', invitation.trim())
    }
    alice.host.spawn('socat', ['TCP-LISTEN:9000,bind=127.0.0.1,fork,reuseaddr', 'PIPE'])
    await start(alice.host, aliceHome, 'expose', '9000', '--as', 'echo').waitForLine(/"event":"ready"/)
    const results: Run[] = []
    for (let count = 0; count < runs; count++) {
      if (count > 0) await sleep(pauseMs)
      const { stdout, stderr } = await bob.host.exec(process.execPath, [SCRIPT, 'dial', bobHome], {
        timeoutMs: WAIT_MS + 15_000,
      })
      if (!stdout.startsWith('{')) throw new Error(`no figures: ${stdout}${stderr}`)
      results.push(JSON.parse(stdout) as Run)
    }
    return results
  } finally {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
  }
}

function start(host: LabNode, home: string, ...argv: readonly string[]): RunningProgram {
  const options = { env: { PATH: process.env.PATH } }
  return new RunningProgram(host.spawn(process.execPath, [CLI, ...argv, '--json', '--home', home], options))
}

async function run(host: LabNode, home: string, ...argv: readonly string[]): Promise<string> {
  const options = { env: { PATH: process.env.PATH }, timeoutMs: 60_000 }
  const { code, stdout, stderr } = await host.exec(process.execPath, [CLI, ...argv, '--home', home], options)
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
  return stdout
}

function print(title: string, results: readonly Run[]): void {
  const direct = results.flatMap(({ directMs }) => directMs ?? [])
  const kinds = [...new Set(results.flatMap(({ kind }) => kind ?? []))].join(' ')
  const first = results.map(({ firstByteMs }) => firstByteMs)
  const cells = [at(first, 0.5), at(first, 0.95), at(direct, 0.5), at(direct, 0.95)]
  console.log(
    `${title.padEnd(20)} ${`${direct.length}/${results.length}`.padEnd(9)} ${kinds.padEnd(24)} ` +
      cells.map((cell) => cell.padStart(12)).join(' '),
  )
}

function at(values: readonly number[], part: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
  return value === undefined ? '-' : value.toFixed(0)
}
