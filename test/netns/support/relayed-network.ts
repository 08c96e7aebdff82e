import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { CommandResult } from '../../../cli/demo/lab/command.ts'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'
import { SITE_RECIPES } from '../../../cli/demo/lab/site-kinds.ts'
import { openSite } from '../../../cli/demo/lab/site.ts'
import { CLI } from './relay-process.ts'
import { RunningProgram } from './running-program.ts'

/** A host of the lab with a home folder, and the product on it. */
export class Station {
  readonly host: LabNode
  readonly home: string

  constructor(host: LabNode, home: string) {
    this.host = host
    this.home = home
  }

  /** Runs a command of the product to its end. */
  run(...argv: readonly string[]): Promise<CommandResult> {
    const options = { env: { PATH: process.env.PATH }, timeoutMs: 60_000 }
    return this.host.exec(process.execPath, [CLI, ...argv, '--home', this.home], options)
  }

  /** Starts a command that stays. */
  start(...argv: readonly string[]): RunningProgram {
    const command = [CLI, ...argv, '--json', '--home', this.home]
    return new RunningProgram(this.host.spawn(process.execPath, command, { env: { PATH: process.env.PATH } }))
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
    return `${process.execPath} ${CLI} connect ${address} - --home ${this.home}`
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
}

export interface RelayedNetwork {
  readonly relays: readonly LabRelay[]
  readonly alice: Station
  readonly bob: Station
}

/** The strictest home: each flow gets a random port, and UDP goes nowhere. */
const STRICT = { ...SITE_RECIPES['fully-random'], egress: { kind: 'no-udp' } } as const

/** One or two relays, and two members behind NATs of the strictest kind that can only dial out over TCP. */
export async function relayedNetwork(
  t: ExecutionContext,
  lab: NetnsLab,
  relayCount: 1 | 2 = 1,
): Promise<RelayedNetwork> {
  const internet = await lab.internet()
  const ips = ['203.0.113.2', '203.0.113.9'].slice(0, relayCount)
  const stations: Station[] = []
  for (const [at, ip] of ips.entries()) {
    stations.push(
      new Station(await lab.host(`relay${at + 1}`, { at: internet, ips: [ip] }), await folderOf(t)),
    )
  }
  const [aliceSite, bobSite] = [
    await openSite(lab, internet, STRICT, { number: 1, name: 'alice' }),
    await openSite(lab, internet, STRICT, { number: 2, name: 'bob' }),
  ]
  const alice = new Station(aliceSite.host, await folderOf(t))
  const bob = new Station(bobSite.host, await folderOf(t))
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
    relays.push(await startRelay(station, ips[at] ?? ''))
  }
  if (relayCount === 2) await isConnected(t, first, 'relay2')
  await invite('alice', alice)
  await invite('bob', bob)
  return { relays, alice, bob }
}

async function startRelay(station: Station, ip: string): Promise<LabRelay> {
  const start = async () => {
    const program = station.start('relay', 'up', '--listen', `${ip}:443`, '--stun', `${ip}:3478`)
    await program.waitForLine(/"event":"ready"/)
    return program
  }
  return { station, ip, program: await start(), start }
}

async function isConnected(t: ExecutionContext, relay: Station, name: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const { stdout } = await relay.run('relay', 'status', '--json')
    if (new RegExp(`"name":"${name}","role":"relay","connected":true`).test(stdout)) return
  }
  t.fail(`${name} never came`)
}

export async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-reach-netns-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}
