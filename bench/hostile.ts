/**
 * Each way to meet that p2p-reach has for hostile networks beside the tool that it replaces, interleaved in one run on
 * loopback: bytes per second of one stream, up (from the side that dials) and down, CPU seconds of all processes for each
 * GB of both, and 1 KiB ping-pong. Both sides take the same way. Prints each round, then medians (least..most), and ratios to
 * what is replaced in the same round. Absolute figures depend on the machine.
 *
 *   npm run build && npm run build:test && node build/bench/hostile.js [ROUNDS] [SECONDS] [RUNG...]
 *
 * - direct: data legs as they are through the relay; connect-proxy, socks5: the same through tinyproxy, microsocks
 *   (microsocks has a buffer of 1,024 bytes: a ping of ours leaves it in two packets, and Nagle's algorithm holds the second
 *   until the first is acknowledged, 40 ms in each direction)
 * - tls: data legs in TLS; websocket: everything in WebSockets in TLS: bytes are encrypted twice
 * - ssh2, ssh-command: sessions over sshd by our own SSH, or by the system's `ssh`; inside is TLS from peer to peer
 * - haproxy-tcp: mutual TLS 1.3 through HAProxy that does not look in; haproxy-tls: it ends TLS on both sides
 * - ssh: plain TCP through `ssh -L`, sshd, `ssh -R`: encrypted to the server, which can read along
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EndKind } from './hostile-bench/ends.ts'
import { runDial, runServe } from './hostile-bench/ends.ts'
import type { Prepared, Running, RungName } from './hostile-bench/rungs.ts'
import { REPLACES, RUNGS, startRung } from './hostile-bench/rungs.ts'
import { makeNetwork } from './relay-bench/own-network.ts'
import { makeSsh } from './relay-bench/ssh.ts'
import { familyCpuSeconds } from './support/process.ts'
import { median, row } from './support/statistics.ts'
import { materialOf, parseMaterial } from './support/tls-material.ts'

const SCRIPT = fileURLToPath(import.meta.url)
const WIDTH = 15
const WARM_UP_S = 0.5

const COLUMNS = [
  { key: 'up', title: 'up MB/s', digits: 0 },
  { key: 'down', title: 'down MB/s', digits: 0 },
  { key: 'cpu', title: 'CPU s/GB', digits: 2 },
  { key: 'p50', title: 'p50 us', digits: 0 },
  { key: 'p99', title: 'p99 us', digits: 0 },
] as const
type Figures = Readonly<Record<(typeof COLUMNS)[number]['key'], number>>

async function prepare(folder: string): Promise<Prepared> {
  const material = join(folder, 'tls.json')
  writeFileSync(material, JSON.stringify(await materialOf('Ed25519')), { mode: 0o600 })
  const { chainPem, keyPem } = parseMaterial(readFileSync(material, 'utf8'))
  const pem = join(folder, 'haproxy.pem')
  writeFileSync(pem, chainPem + keyPem, { mode: 0o600 })
  return {
    ...{ script: SCRIPT, folder, material, pem },
    network: await makeNetwork(folder),
    ssh: await makeSsh(folder),
  }
}

async function oneRound(rung: RungName, prepared: Prepared, seconds: number): Promise<Figures> {
  await using running = await startRung(rung, prepared)
  checkWay(rung, running)
  await running.ask(`up ${WARM_UP_S}`)
  const cpuS = () => running.pids.reduce((sum, pid) => sum + familyCpuSeconds(pid), 0)
  const before = cpuS()
  const [up, down] = [await bulk(running, `up ${seconds}`), await bulk(running, `down ${seconds}`)]
  const cpu = (cpuS() - before) / ((up.bytes + down.bytes) / 1e9)
  const pings = (await running.ask(`ping ${seconds / 2}`)) as { p50Us: number; p99Us: number }
  return { up: up.mbPerS, down: down.mbPerS, cpu, p50: pings.p50Us, p99: pings.p99Us }
}

/** Figures of another way than the one that is asked for would be worse than none. */
function checkWay(rung: RungName, { way }: Running): void {
  const isOurs = REPLACES[rung] !== undefined
  const expected = rung === 'ssh2' || rung === 'ssh-command' ? 'ssh' : rung
  if (isOurs && way !== expected) throw new Error(`${rung} went by ${String(way)}`)
}

async function bulk(running: Running, command: string) {
  const { bytes, seconds } = (await running.ask(command)) as { bytes: number; seconds: number }
  return { bytes, mbPerS: bytes / 1e6 / seconds }
}

function cells(of: (key: keyof Figures) => number): readonly string[] {
  return COLUMNS.map(({ key, digits }) => of(key).toFixed(digits))
}

function header(title: string): string {
  const titles = COLUMNS.map((column) => column.title)
  return `\n${row(title, titles, WIDTH)}`
}

async function compare(rounds: number, seconds: number, rungs: readonly RungName[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-bench-'))
  try {
    const prepared = await prepare(folder)
    const ssh = execFileSync('sh', ['-c', 'ssh -V 2>&1'], { encoding: 'utf8' }).trim()
    console.log(
      `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}, ${ssh}`,
    )
    const results = new Map<RungName, Figures[]>(rungs.map((rung) => [rung, []]))
    console.log(header('round'))
    for (let i = 1; i <= rounds; i++) {
      for (const rung of rungs) {
        const figures = await oneRound(rung, prepared, seconds)
        results.get(rung)?.push(figures)
        const line = row(
          `${i} ${rung}`,
          cells((key) => figures[key]),
          WIDTH,
        )
        console.log(line)
      }
    }
    summary(results)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function summary(results: ReadonlyMap<RungName, readonly Figures[]>): void {
  console.log(header('median'))
  for (const [rung, all] of results) {
    const values = (key: keyof Figures) => all.map((one) => one[key])
    const medians = cells((key) => median(values(key)))
    console.log(row(rung, medians, WIDTH))
    const ranges = COLUMNS.map(({ key, digits }) =>
      [Math.min(...values(key)), Math.max(...values(key))].map((value) => value.toFixed(digits)).join('..'),
    )
    console.log(row('', ranges, WIDTH))
  }
  console.log(header('to what it replaces'))
  for (const [rung, all] of results) {
    const base = results.get(REPLACES[rung] ?? rung)
    if (REPLACES[rung] === undefined || base === undefined) continue
    const ratio = (key: keyof Figures) => median(all.map((one, i) => one[key] / (base[i]?.[key] ?? NaN)))
    const ratios = COLUMNS.map(({ key }) => ratio(key).toFixed(2))
    console.log(row(rung, ratios, WIDTH))
  }
}

const [mode, ...args] = process.argv.slice(2)
if (mode === 'serve') await runServe(JSON.parse(args[0] ?? '') as EndKind)
else if (mode === 'dial') await runDial(JSON.parse(args[0] ?? '') as EndKind)
else {
  const asked = RUNGS.filter((rung) => args.length < 2 || args.slice(1).includes(rung))
  await compare(Number(mode ?? 3), Number(args[0] ?? 2), asked)
}
