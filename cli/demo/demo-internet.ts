import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ReachError } from '../../lib/index.ts'
import type { DiagnoseReport } from '../../lib/index.ts'
import { CLI, NAME_SERVER } from '../program-files.ts'
import { transferFile } from './demo-transfer.ts'
import type { TransferReport } from './demo-transfer.ts'
import type { LabNode } from './lab/lab-node.ts'
import { NetnsLab } from './lab/netns-lab.ts'
import { openSite } from './lab/site.ts'
import type { SiteKind } from './lab/site-kinds.ts'

/** One peer of the demo: a host behind a kind of NAT. */
export interface DemoPeer {
  readonly name: string
  readonly kind: SiteKind
  /** What that is in the real world. */
  readonly place: string
}

/** The peers that the demo compares: the commonest network, and one that most tools cannot connect to it. */
export const DEMO_PEERS: readonly DemoPeer[] = [
  { name: 'alice', kind: 'port-preserving', place: 'at home, behind an ordinary router' },
  {
    name: 'bob',
    kind: 'cgn-fully-random',
    place: 'behind a home router and the strict NAT of a mobile carrier',
  },
]

const RELAY_IPS = ['203.0.113.2', '203.0.113.3'] as const
const RELAY_NAME = 'relay.demo.test'
const ETC = { resolvConf: `nameserver ${RELAY_IPS[0]}\noptions timeout:1 attempts:1\n` }
/** Ours: what a busy machine may take to start a process. */
const START_TIMEOUT_MS = 15_000

/** A relay and peers in an internet of network namespaces. Closing it leaves nothing behind. */
export class DemoInternet implements AsyncDisposable {
  readonly relayUrl: string
  readonly #lab: NetnsLab
  readonly #home: string
  readonly #relay: LabNode
  readonly #hosts: ReadonlyMap<string, LabNode>

  private constructor(
    lab: NetnsLab,
    home: string,
    relay: LabNode,
    relayUrl: string,
    hosts: ReadonlyMap<string, LabNode>,
  ) {
    this.#lab = lab
    this.#relay = relay
    this.#home = home
    this.relayUrl = relayUrl
    this.#hosts = hosts
  }

  /** @throws {ReachError} ERR_REACH_LAB; the signal's reason */
  static async open(peers: readonly DemoPeer[], signal: AbortSignal): Promise<DemoInternet> {
    const lab = await NetnsLab.open({ signal })
    const home = await mkdtemp(join(tmpdir(), 'p2p-reach-demo-'))
    try {
      const internet = await lab.internet()
      const relay = await lab.host('relay', { at: internet, ips: RELAY_IPS })
      const sites = await Promise.all(
        peers.map(({ name, kind }, index) =>
          openSite(lab, internet, kind, { number: index + 1, name, lanNumber: 1, etc: ETC }),
        ),
      )
      const hosts = new Map(sites.map(({ host }) => [host.name, host]))
      return new DemoInternet(lab, home, relay, await startRelay(relay, home), hosts)
    } catch (error) {
      await lab.close()
      await rm(home, { recursive: true, force: true })
      signal.throwIfAborted()
      throw error
    }
  }

  /** Runs `p2p-reach diagnose` as a process of its own on a peer's host; its talk goes to `onTalk` line by line. */
  async diagnose(
    peer: DemoPeer,
    onTalk: (line: string) => void,
    signal: AbortSignal,
  ): Promise<DiagnoseReport> {
    const host = this.#hostOf(peer)
    const argv = [CLI, 'diagnose', '--json', '--relay', this.relayUrl, '--home', this.#home]
    // Proxies of the machine are none in here.
    const child = host.spawn(process.execPath, argv, { env: { PATH: process.env.PATH } })
    const end = () => void child.kill()
    signal.addEventListener('abort', end, { once: true })
    try {
      createInterface({ input: child.stderr }).on('line', onTalk)
      const text = await readAll(child)
      signal.throwIfAborted()
      return parseReport(text, peer)
    } finally {
      signal.removeEventListener('abort', end)
    }
  }

  /** A file goes from one peer to the other, by name, through whatever path there is. */
  transfer(
    from: DemoPeer,
    to: DemoPeer,
    onTalk: (line: string) => void,
    signal: AbortSignal,
  ): Promise<TransferReport> {
    const hosts = {
      relay: this.#relay,
      relayHome: this.#home,
      from: this.#hostOf(from),
      to: this.#hostOf(to),
    }
    return transferFile(hosts, onTalk, signal)
  }

  #hostOf({ name }: DemoPeer): LabNode {
    const host = this.#hosts.get(name)
    if (host === undefined) throw new RangeError(`there is no host ${name}`)
    return host
  }

  async close(): Promise<void> {
    await this.#lab.close()
    await rm(this.#home, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function startRelay(relay: LabNode, home: string): Promise<string> {
  const [ip] = RELAY_IPS
  const names = relay.spawn(process.execPath, [NAME_SERVER, ip, `${RELAY_NAME}=${ip}`])
  const stun = RELAY_IPS.flatMap((one) => ['--stun', `${one}:3478`])
  const server = relay.spawn(process.execPath, [
    CLI,
    'relay',
    'up',
    '--json',
    '--home',
    home,
    '--listen',
    `${ip}:443`,
    ...stun,
  ])
  await firstLine(names)
  const ready: unknown = JSON.parse(await firstLine(server))
  const pin = isRecord(ready) && typeof ready.fingerprint === 'string' ? `#sha256=${ready.fingerprint}` : ''
  return `https://${RELAY_NAME}${pin}`
}

/** The first line that a program prints. @throws {ReachError} ERR_REACH_LAB with what it says instead */
function firstLine(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve, reject) => {
    let talk = ''
    const fail = (why: string) => reject(new ReachError('ERR_REACH_LAB', `${why}: ${talk.trim()}`))
    const timer = setTimeout(() => fail('a program of the demo did not start in time'), START_TIMEOUT_MS)
    child.stderr.on('data', (chunk: Buffer) => (talk += chunk.toString()))
    child.once('close', () => {
      clearTimeout(timer)
      fail('a program of the demo ended')
    })
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer)
      resolve(line)
    })
  })
}

function readAll(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    child.once('error', reject)
    child.once('close', () => resolve(text))
  })
}

function parseReport(text: string, peer: DemoPeer): DiagnoseReport {
  try {
    // Our own program printed it; its type is what it prints.
    return JSON.parse(text) as DiagnoseReport
  } catch (cause) {
    throw new ReachError('ERR_REACH_LAB', `the diagnosis of ${peer.name} printed no report`, { cause })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
