import type { ExecutionContext } from 'ava'
import { CLI } from '../../../cli/program-files.ts'
import type { CommandResult } from '../../../cli/demo/lab/command.ts'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'
import type { Router } from '../../../cli/demo/lab/router.ts'
import type { SiteRecipe } from '../../../cli/demo/lab/site-kinds.ts'
import { SITE_RECIPES } from '../../../cli/demo/lab/site-kinds.ts'
import type { GatewayOverrides } from '../../../cli/demo/lab/site.ts'
import { openSite } from '../../../cli/demo/lab/site.ts'
import { delayTowards } from './delay-line.ts'
import { RunningProgram } from './running-program.ts'
import { folderOf } from './test-folder.ts'

const ADMIN = '127.0.0.1:9100'

/** A host of the lab with a home folder, and the product on it. */
export class Station {
  readonly host: LabNode
  readonly home: string
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #more: readonly string[]

  /** @param env what its programs find in their environment besides PATH */
  constructor(host: LabNode, home: string, env: Readonly<Record<string, string>> = {}) {
    this.host = host
    this.home = home
    this.#env = { PATH: process.env.PATH, ...env }
    this.#more = Object.entries(env).map(([name, value]) => `${name}='${value}' `)
  }

  /** Runs a command of the product to its end. */
  run(...argv: readonly string[]): Promise<CommandResult> {
    const options = { env: this.#env, timeoutMs: 60_000 }
    return this.host.exec(process.execPath, [CLI, ...argv, '--home', this.home], options)
  }

  /** Starts a command that stays. */
  start(...argv: readonly string[]): RunningProgram {
    const command = [CLI, ...argv, '--json', '--home', this.home]
    return new RunningProgram(this.host.spawn(process.execPath, command, { env: this.#env }))
  }

  /** Runs a line of the shell to its end. */
  shell(line: string, timeoutMs = 90_000): Promise<CommandResult> {
    return this.host.exec('bash', ['-c', line], { timeoutMs })
  }

  /** Starts a line of the shell. */
  startShell(line: string): RunningProgram {
    return new RunningProgram(this.host.spawn('bash', ['-c', line]))
  }

  /** What to type on this station to get standard input and output of a service. */
  connectCommand(address: string): string {
    return `${this.#more.join('')}${process.execPath} ${CLI} connect ${address} - --home ${this.home}`
  }

  /** Waits until something listens on a TCP port of the station. */
  async listens(port: number): Promise<void> {
    await this.shell(
      `for i in $(seq 100); do ss -Hltn 'sport = :${port}' | grep -q . && exit 0; sleep 0.1; done; exit 1`,
    )
  }
}

/** A relay on the internet of the lab. */
export interface LabRelay {
  readonly station: Station
  readonly ip: string
  readonly program: RunningProgram
  /** Starts it again, after it was stopped. */
  start(): Promise<RunningProgram>
  /** Bytes of sessions that it has carried since it was started. */
  relayedBytes(): Promise<number>
}

export interface RelayedNetwork {
  readonly relays: readonly LabRelay[]
  readonly alice: Station
  readonly bob: Station
}

/** How two members and their relays are set up. */
export interface LabNetworkOptions {
  /** @default 1 */
  readonly relayCount?: 1 | 2
  /** Of alice and bob. */
  readonly sites: readonly [SiteRecipe, SiteRecipe]
  /** Changes to both homes' gateways. @default none */
  readonly gateways?: GatewayOverrides
  /** How much longer packets take from the internet to each home. @default 0 */
  readonly delayMs?: number
  /** Of the relays. @default 3478 */
  readonly stunPort?: number
}

/** The strictest home: each flow gets a random port, and UDP goes nowhere. */
const STRICT = { ...SITE_RECIPES['fully-random'], egress: { kind: 'no-udp' } } as const

/** One or two relays, and two members behind NATs of the strictest kind that can only dial out over TCP. */
export function relayedNetwork(
  t: ExecutionContext,
  lab: NetnsLab,
  relayCount: 1 | 2 = 1,
): Promise<RelayedNetwork> {
  return memberNetwork(t, lab, { relayCount, sites: [STRICT, STRICT] })
}

/** One or two relays on the internet, each with two addresses for STUN, and two members in sites of their own. */
export async function memberNetwork(
  t: ExecutionContext,
  lab: NetnsLab,
  { relayCount = 1, sites, gateways = {}, delayMs = 0, stunPort = 3478 }: LabNetworkOptions,
): Promise<RelayedNetwork> {
  const internet = await lab.internet()
  const [aliceSite, bobSite] = [
    await openSite(lab, internet, sites[0], { number: 1, name: 'alice', ...gateways }),
    await openSite(lab, internet, sites[1], { number: 2, name: 'bob', ...gateways }),
  ]
  if (delayMs > 0) {
    const ips = [aliceSite, bobSite].flatMap(({ truth }) => truth.ipv4?.publicIps ?? [])
    await delayTowards(internet, ips, delayMs)
  }
  return joinMembers(t, lab, internet, { relayCount, stunPort, hosts: [aliceSite.host, bobSite.host] })
}

/** Who becomes a member, and how. */
export interface JoinOptions {
  readonly relayCount: 1 | 2
  /** Of alice and bob. */
  readonly hosts: readonly [LabNode, LabNode]
  /** Of both, besides PATH: proxies, say. */
  readonly env?: Readonly<Record<string, string>>
  /** More flags of `relay up`. */
  readonly relayFlags?: readonly string[]
  /** @default 3478 */
  readonly stunPort?: number
}

/** Relays on the internet, and hosts that become alice and bob of their network. */
export async function joinMembers(
  t: ExecutionContext,
  lab: NetnsLab,
  internet: Router,
  options: JoinOptions,
): Promise<RelayedNetwork> {
  const { relayCount, hosts, env = {}, relayFlags = [], stunPort = 3478 } = options
  const relayIps = [
    ['203.0.113.2', '203.0.113.3'],
    ['203.0.113.9', '203.0.113.10'],
  ].slice(0, relayCount)
  const stations: Station[] = []
  for (const [at, ips] of relayIps.entries()) {
    stations.push(new Station(await lab.host(`relay${at + 1}`, { at: internet, ips }), await folderOf(t)))
  }
  const alice = new Station(hosts[0], await folderOf(t), env)
  const bob = new Station(hosts[1], await folderOf(t), env)
  const relays: LabRelay[] = []
  const [first] = stations
  if (first === undefined) throw new RangeError('no relay')
  const invite = async (name: string, station: Station, ...flags: readonly string[]) => {
    const { stdout, stderr } = await first.run('invite', name, ...flags)
    t.regex(stdout, /^p2pr1/, stderr)
    const joined = await station.run('join', stdout.trim())
    t.is(joined.code, 0, joined.stderr)
  }
  for (const [at, station] of stations.entries()) {
    if (at > 0) await invite(`relay${at + 1}`, station, '--role', 'relay')
    relays.push(await startRelay(station, relayIps[at] ?? [], stunPort, relayFlags))
  }
  if (relayCount === 2) await isConnected(t, first, 'relay2')
  await invite('alice', alice)
  await invite('bob', bob)
  return { relays, alice, bob }
}

async function startRelay(
  station: Station,
  ips: readonly string[],
  stunPort: number,
  flags: readonly string[],
): Promise<LabRelay> {
  const [ip = ''] = ips
  const stun = ips.flatMap((one) => ['--stun', `${one}:${stunPort}`])
  const start = async () => {
    const program = station.start('relay', 'up', '--listen', `${ip}:443`, ...stun, '--admin', ADMIN, ...flags)
    await program.waitForLine(/"event":"ready"/)
    return program
  }
  const relayedBytes = async () => {
    const { stdout } = await station.shell(`curl -s http://${ADMIN}/metrics`)
    return Number(/^p2p_reach_relayed_bytes_total (\d+)$/m.exec(stdout)?.[1] ?? NaN)
  }
  return { station, ip, program: await start(), start, relayedBytes }
}

async function isConnected(t: ExecutionContext, relay: Station, name: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const { stdout } = await relay.run('relay', 'status', '--json')
    if (new RegExp(`"name":"${name}","role":"relay","connected":true`).test(stdout)) return
  }
  t.fail(`${name} never came`)
}
