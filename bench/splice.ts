/**
 * What a relay that splices costs and carries, beside HAProxy (tcp mode, splicing in the kernel) and nginx (stream), in one
 * interleaved run on loopback: bytes per second through one relay on one core with 1 and 16 streams, CPU seconds of the
 * relay per GB, 1 KiB ping-pong, and memory for each idle pair. Prints each round, then medians, and the medians of the
 * ratios to HAProxy in the same round. Absolute figures depend on the machine; `direct` is what the endpoints can do
 * without any relay, and no relay can carry more: with 1 stream, on one core for both of them, that may be little more than what
 * goes through one.
 *
 *   npm run build:test && node build/bench/splice.js [ROUNDS] [SECONDS] [RELAY...]
 *
 * Relays: splice, haproxy, nginx, direct (default: all that are installed). Relay and endpoints are processes of their
 * own, each held to one core where `taskset` is there. Linux only: it reads /proc.
 */
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseFigures, runLoad } from './splice-bench/load.ts'
import type { Figures } from './splice-bench/load.ts'
import { lines, start } from './support/process.ts'
import { median, row } from './support/statistics.ts'
import { RELAY_KINDS, isInstalled, openRelay, serveSplice } from './splice-bench/relays.ts'
import type { RelayKind } from './splice-bench/relays.ts'

const SCRIPT = fileURLToPath(import.meta.url)
const LOAD_CORE = 0
const BASE: RelayKind = 'haproxy'

async function round(kind: RelayKind, seconds: number): Promise<Figures> {
  await using load = start(LOAD_CORE, process.execPath, [SCRIPT, 'load', String(seconds)])
  const output = lines(load.child)
  const sinkPort = Number(await output.next())
  await using relay = await openRelay(kind, sinkPort, SCRIPT)
  load.child.stdin?.write(`${relay.port} ${relay.pid}\n`)
  return parseFigures(await output.next())
}

const COLUMNS: readonly { readonly key: keyof Figures; readonly title: string; readonly digits: number }[] = [
  { key: 'mbPerS1', title: 'MB/s x1', digits: 0 },
  { key: 'cpuSPerGb1', title: 'CPU s/GB', digits: 2 },
  { key: 'mbPerS16', title: 'MB/s x16', digits: 0 },
  { key: 'cpuSPerGb16', title: 'CPU s/GB', digits: 2 },
  { key: 'pingP50Us', title: 'p50 us', digits: 0 },
  { key: 'pingP99Us', title: 'p99 us', digits: 0 },
  { key: 'cpuUsPerPing', title: 'CPU us/ping', digits: 0 },
  { key: 'idleKib', title: 'KiB/pair', digits: 1 },
  { key: 'restedKib', title: 'after bulk', digits: 1 },
]

function print(label: string, of: (key: keyof Figures) => number, digits?: number): void {
  console.log(
    row(
      label,
      COLUMNS.map((column) => of(column.key).toFixed(digits ?? column.digits)),
    ),
  )
}

async function compare(rounds: number, seconds: number, kinds: readonly RelayKind[]): Promise<void> {
  const results = new Map<RelayKind, Figures[]>(kinds.map((kind) => [kind, []]))
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}`)
  console.log(
    row(
      '',
      COLUMNS.map(({ title }) => title),
    ),
  )
  for (let i = 1; i <= rounds; i++) {
    for (const kind of kinds) {
      const figures = await round(kind, seconds)
      results.get(kind)?.push(figures)
      print(`${i} ${kind}`, (key) => figures[key])
    }
  }
  for (const [kind, all] of results) print(`median ${kind}`, (key) => median(all.map((one) => one[key])))
  const base = results.get(BASE)
  if (base === undefined) return
  for (const [kind, all] of results) {
    if (kind === BASE) continue
    print(`${kind} / ${BASE}`, (key) => median(all.map((one, i) => one[key] / (base[i]?.[key] ?? NaN))), 2)
  }
}

const [mode, ...args] = process.argv.slice(2)
if (mode === 'load') await runLoad(Number(args[0]))
else if (mode === 'serve') await serveSplice(Number(args[0]), Number(args[1]))
else {
  const asked = RELAY_KINDS.filter((kind) => args.length < 2 || args.slice(1).includes(kind))
  const kinds = asked.filter(isInstalled)
  for (const kind of asked) if (!kinds.includes(kind)) console.log(`${kind} is not installed: left out`)
  await compare(Number(mode ?? 5), Number(args[0] ?? 2), kinds)
}
