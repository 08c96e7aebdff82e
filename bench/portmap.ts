/**
 * Wall times of mapping a port, and the packets that it costs, behind routers of the lab that answer in different ways:
 * from the first packet to the grant (discovery included, a new process each time), a second port of the same process,
 * removal; packets and bytes that the host sent; and what it sends in 10 s while a mapping is held and nothing happens.
 * Median and maximum of a number of runs. The budgets are 1 s on a LAN, 3 s when nobody answers, and nothing on a quiet
 * network. Needs root (network namespaces) and Debian's miniupnpd.
 *
 *   npm run build:test && node build/bench/portmap.js [RUNS]
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LabNode } from '../cli/demo/lab/lab-node.ts'
import { NetnsLab } from '../cli/demo/lab/netns-lab.ts'
import { openSite } from '../cli/demo/lab/site.ts'
import { ReachError, mapPort } from '../lib/index.ts'
import { privateFolder } from '../lib/net/private-folder.ts'
import type { MiniupnpdOptions } from '../test/netns/support/miniupnpd.ts'
import { Miniupnpd } from '../test/netns/support/miniupnpd.ts'
import { median } from './support/statistics.ts'

/** What one process in a host of the lab measured. */
interface Run {
  readonly outcome: string
  readonly firstMs: number
  readonly secondMs: number | null
  readonly removeMs: number | null
  /** Until the first port was granted or refused. */
  readonly packets: number
  readonly bytes: number
  /** Packets in {@link QUIET_S} with both mappings held. */
  readonly quietPackets: number | null
}

const ROUTERS: readonly {
  readonly title: string
  readonly daemon?: MiniupnpdOptions
  readonly budgetMs: number
}[] = [
  { title: 'PCP, NAT-PMP, UPnP', daemon: {}, budgetMs: 1000 },
  { title: 'PCP, NAT-PMP', daemon: { upnp: false }, budgetMs: 1000 },
  { title: 'UPnP IGDv2', daemon: { natPmp: false }, budgetMs: 1000 },
  { title: 'UPnP IGDv1', daemon: { natPmp: false, igdV1: true }, budgetMs: 1000 },
  { title: 'nobody answers', budgetMs: 3000 },
]
const QUIET_S = 10
const SCRIPT = fileURLToPath(import.meta.url)

if (process.argv[2] === 'map') console.log(JSON.stringify(await measure(process.argv[3] === 'quiet')))
else await compare(Number(process.argv[2] ?? 10))

async function compare(runs: number): Promise<void> {
  await using lab = await NetnsLab.open()
  const internet = await lab.internet()
  console.log(
    `${'router'.padEnd(20)} ${'outcome'.padEnd(24)} first ms    (max)   second   remove  packets    bytes  in ${QUIET_S} s`,
  )
  for (const [index, { title, daemon, budgetMs }] of ROUTERS.entries()) {
    const site = await openSite(lab, internet, 'port-preserving', { number: index + 1 })
    const [gateway] = site.gateways
    if (gateway === undefined) throw new Error('the site has no gateway')
    await using folder = await privateFolder()
    if (daemon !== undefined) await Miniupnpd.start(gateway, folder.path, daemon)
    const results: Run[] = []
    for (let run = 1; run <= runs; run++) results.push(await mapOn(site.host, run === runs))
    print(title, results, budgetMs)
  }
}

async function mapOn(host: LabNode, isQuiet: boolean): Promise<Run> {
  const argv = [SCRIPT, 'map', isQuiet ? 'quiet' : 'short']
  const { stdout, stderr } = await host.exec(process.execPath, argv, { timeoutMs: 60_000 })
  try {
    return JSON.parse(stdout) as Run
  } catch {
    throw new Error(`no figures: ${stdout}${stderr}`)
  }
}

async function measure(isQuiet: boolean): Promise<Run> {
  const before = sent()
  const startMs = performance.now()
  const outcomes: string[] = []
  try {
    await using first = await mapPort(20_001)
    const firstMs = performance.now() - startMs
    const after = sent()
    if (first.state.kind === 'active') outcomes.push(first.state.grant.protocol)
    const quietPackets = isQuiet ? await packetsIn(QUIET_S) : null
    const removeAtMs = performance.now()
    await first.close()
    const removeMs = performance.now() - removeAtMs
    const again = performance.now()
    await using second = await mapPort(20_002)
    const secondMs = second.state.kind === 'active' ? performance.now() - again : null
    const spent = { packets: after.packets - before.packets, bytes: after.bytes - before.bytes }
    return { outcome: outcomes.join(), firstMs, secondMs, removeMs, ...spent, quietPackets }
  } catch (error) {
    if (!ReachError.is(error)) throw error
    const firstMs = performance.now() - startMs
    const after = sent()
    const spent = { packets: after.packets - before.packets, bytes: after.bytes - before.bytes }
    return { outcome: error.code, firstMs, secondMs: null, removeMs: null, ...spent, quietPackets: null }
  }
}

async function packetsIn(seconds: number): Promise<number> {
  await sleep(15_000) // multicast groups are told of twice after joining (RFC 3376 §8.11)
  const before = sent()
  await sleep(seconds * 1000)
  return sent().packets - before.packets
}

/** What the host's one interface has sent (proc(5), /proc/net/dev). */
function sent(): { readonly packets: number; readonly bytes: number } {
  const line = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .find((one) => one.trim().startsWith('eth0:'))
  const fields = (line ?? '').replace(/^.*:/, '').trim().split(/\s+/).map(Number)
  return { bytes: fields[8] ?? NaN, packets: fields[9] ?? NaN }
}

function print(title: string, results: readonly Run[], budgetMs: number): void {
  const of = (key: 'firstMs' | 'secondMs' | 'removeMs' | 'packets' | 'bytes' | 'quietPackets') =>
    results.flatMap((result) => result[key] ?? [])
  const figure = (values: readonly number[]) => (values.length === 0 ? '-' : median(values).toFixed(0))
  const outcomes = [...new Set(results.map(({ outcome }) => outcome))].join(' ')
  const slowest = Math.max(...of('firstMs'))
  const cells = [
    figure(of('firstMs')),
    slowest.toFixed(0),
    ...(['secondMs', 'removeMs', 'packets', 'bytes', 'quietPackets'] as const).map((key) => figure(of(key))),
  ]
  const late = median(of('firstMs')) > budgetMs ? `  over its ${budgetMs} ms` : ''
  console.log(
    `${title.padEnd(20)} ${outcomes.padEnd(24)} ${cells.map((cell) => cell.padStart(8)).join(' ')}${late}`,
  )
}
