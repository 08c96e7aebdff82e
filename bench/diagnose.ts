/**
 * Wall time of the whole command `p2p-reach diagnose --json` behind each kind of NAT of the lab, process start
 * included: minimum, median and maximum over a number of runs. The budgets are 1.5 s on a healthy network and 5 s
 * always. Needs root (network namespaces).
 *
 *   npm run build && npm run build:test && node build/bench/diagnose.js [RUNS] [KIND...]
 */
import { fileURLToPath } from 'node:url'
import { CLI } from '../cli/program-files.ts'
import { NetnsLab } from '../cli/demo/lab/netns-lab.ts'
import { openSite } from '../cli/demo/lab/site.ts'
import { SITE_RECIPES } from '../cli/demo/lab/site-kinds.ts'
import type { SiteKind } from '../cli/demo/lab/site-kinds.ts'

const NAME_SERVER = fileURLToPath(new URL('../cli/demo/name-server.js', import.meta.url))
const IPS = ['203.0.113.2', '203.0.113.3']
const NAME = 'relay.demo.test'
const ETC = { resolvConf: `nameserver ${IPS[0] ?? ''}\noptions timeout:1 attempts:1\n` }
const HEALTHY_BUDGET_S = 1.5
const BUDGET_S = 5

const [runs = '20', ...wanted] = process.argv.slice(2)
const kinds = Object.keys(SITE_RECIPES).filter(
  (kind): kind is SiteKind => wanted.length === 0 || wanted.includes(kind),
)

await using lab = await NetnsLab.open()
const internet = await lab.internet()
const relay = await lab.host('relay', { at: internet, ips: IPS })
const env = { PATH: process.env.PATH }
const names = relay.spawn(process.execPath, [NAME_SERVER, IPS[0] ?? '', `${NAME}=${IPS[0] ?? ''}`], { env })
const stun = IPS.flatMap((ip) => ['--stun', `${ip}:3478`])
const up = [
  'relay',
  'up',
  '--json',
  '--home',
  '/nonexistent/p2p-reach-bench',
  '--no-tls',
  '--listen',
  `${IPS[0] ?? ''}:443`,
]
const server = relay.spawn(process.execPath, [CLI, ...up, ...stun], { env })
await Promise.all(
  [names, server].map((child) => new Promise((resolve) => child.stdout.once('data', resolve))),
)

console.log('kind                        min   median      max   in report   verdict   (seconds)')
for (const [index, kind] of kinds.entries()) {
  const { host, truth } = await openSite(lab, internet, kind, { number: index + 1, etc: ETC })
  const walls: number[] = []
  const reported: number[] = []
  let verdict = ''
  for (let run = 0; run < Number(runs); run++) {
    const argv = [
      CLI,
      'diagnose',
      '--json',
      '--home',
      '/nonexistent/p2p-reach-bench',
      '--relay',
      `http://${NAME}:443`,
      '--stun',
      IPS[0] ?? '',
    ]
    const startMs = performance.now()
    const { stdout } = await host.exec(process.execPath, argv, { env })
    walls.push((performance.now() - startMs) / 1000)
    const report: unknown = JSON.parse(stdout.startsWith('{') ? stdout : '{}')
    reported.push(numberAt(report, 'durationMs') / 1000)
    verdict = textAt(report, 'verdict', 'class')
  }
  const isHealthy = truth.ipv4?.udpWorks === true || truth.ipv6?.udpWorks === true
  const budget = isHealthy ? HEALTHY_BUDGET_S : BUDGET_S
  const late = median(walls) > budget ? `  over its ${budget} s` : ''
  const figures = [Math.min(...walls), median(walls), Math.max(...walls), median(reported)]
  console.log(
    `${kind.padEnd(24)} ${figures.map((s) => s.toFixed(2).padStart(8)).join(' ')}   ${verdict}${late}`,
  )
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined
}

function numberAt(value: unknown, key: string): number {
  return Number(at(value, key))
}

function textAt(value: unknown, ...keys: readonly string[]): string {
  return String(keys.reduce(at, value))
}
