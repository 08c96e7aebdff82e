import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClosingStack } from '../../lib/base/closing-stack.ts'
import type { Started } from '../support/process.ts'
import { lines, start } from '../support/process.ts'
import { accepts, freePort, haproxyCommand, isProgram, nginxCommand } from '../support/relay-programs.ts'
import { materialOf } from '../support/tls-material.ts'
import type { BenchRole } from './figures.ts'
import { SERVICES } from './serve.ts'
import type { OwnNetwork } from './own-network.ts'
import { CLI } from './own-network.ts'
import type { SshSetup } from './ssh.ts'
import { sshCommand, sshdCommand } from './ssh.ts'

export const CONTENDERS = [
  'library',
  'library-in-place',
  'cli',
  'tls-haproxy',
  'tls-nginx',
  'ssh',
  'tcp',
] as const
export type Contender = (typeof CONTENDERS)[number]

/** What is prepared once for all rounds. */
export interface Prepared {
  /** This script, that is also both ends. */
  readonly script: string
  readonly folder: string
  readonly network: OwnNetwork
  readonly ssh: SshSetup | undefined
}

/** The two ends and what is between them, running. Closing it ends all of them. */
export interface Running extends AsyncDisposable {
  readonly pids: ReadonlyMap<BenchRole, number>
  /** Gives the dialling end a command; answers what it says. */
  ask(command: string): Promise<unknown>
  /** More clients that are connected and silent; undefined where there is nothing to count. */
  readonly addIdle: ((count: number) => Promise<AsyncDisposable>) | undefined
}

/** Why a contender can't be had on this machine; undefined when it can. */
export function whyNot(contender: Contender): string | undefined {
  const missing = (program: string, flag?: string) =>
    isProgram(program, flag) ? undefined : `${program} is not installed`
  if (contender === 'tls-haproxy') return missing('haproxy')
  if (contender === 'tls-nginx') return missing('nginx')
  return contender === 'ssh' ? (missing('ssh', '-V') ?? missing('/usr/sbin/sshd', '-V')) : undefined
}

/** A file with what both ends of plain TLS need. */
export async function writeMaterial(folder: string): Promise<void> {
  writeFileSync(materialFile(folder), JSON.stringify(await materialOf('Ed25519')), { mode: 0o600 })
}

function materialFile(folder: string): string {
  return join(folder, 'tls.json')
}

/** Starts a contender; resolves when bytes can go from end to end. */
export async function startContender(contender: Contender, prepared: Prepared): Promise<Running> {
  const launch = new Launch(prepared)
  try {
    switch (contender) {
      case 'library':
      case 'library-in-place':
        return await startLibrary(launch, prepared, contender)
      case 'cli':
        return await startCli(launch, prepared)
      case 'tls-haproxy':
      case 'tls-nginx':
        return await startTls(launch, prepared, contender)
      case 'ssh':
        return await startSsh(launch, prepared)
      case 'tcp':
        return launch.running('plain', await launch.serve('plain'))
    }
  } catch (error) {
    await launch.close()
    throw error
  }
}

/** Processes as they are started, and who they are. */
class Launch {
  readonly pids = new Map<BenchRole, number>()
  readonly #prepared: Prepared
  readonly #processes = new ClosingStack()

  constructor(prepared: Prepared) {
    this.#prepared = prepared
  }

  close(): Promise<void> {
    return this.#processes.close()
  }

  node(role: BenchRole, args: readonly string[], stderr: 'inherit' | 'ignore' = 'inherit'): Started {
    return this.program(role, process.execPath, args, stderr)
  }

  program(
    role: BenchRole,
    program: string,
    args: readonly string[],
    stderr: 'inherit' | 'ignore' = 'ignore',
  ): Started {
    const started = start(undefined, program, args, { stderr })
    this.#processes.defer(() => started[Symbol.asyncDispose]())
    this.pids.set(role, started.child.pid ?? 0)
    return started
  }

  /** Starts the end that is dialled; answers the first that it says. */
  async serve(kind: string, argument = ''): Promise<string> {
    const { child } = this.node('serving', [this.#prepared.script, 'serve', kind, argument])
    return await lines(child).next()
  }

  /** Starts the end that dials, last of all. */
  running(kind: string, ...args: readonly string[]): Running {
    const { child } = this.node('dialling', [this.#prepared.script, 'dial', kind, ...args])
    const output = lines(child)
    const ask = async (command: string): Promise<unknown> => {
      child.stdin?.write(`${command}\n`)
      return JSON.parse(await output.next())
    }
    return {
      pids: this.pids,
      ask,
      addIdle: async (count) => {
        await ask(`idle ${count}`)
        return { [Symbol.asyncDispose]: () => ask('release').then(() => undefined) }
      },
      [Symbol.asyncDispose]: () => this.close(),
    }
  }

  async ownRelay(): Promise<void> {
    this.node('relay', this.#prepared.network.relayArguments, 'ignore').child.stdout?.resume()
    await accepts(this.#prepared.network.port)
  }
}

async function startLibrary(
  launch: Launch,
  { network }: Prepared,
  contender: 'library' | 'library-in-place',
): Promise<Running> {
  await launch.ownRelay()
  await launch.serve(contender, network.servingHome)
  return launch.running('library', network.diallingHome)
}

async function startCli(launch: Launch, { network }: Prepared): Promise<Running> {
  await launch.ownRelay()
  const target = await launch.serve('plain')
  const { servingHome, diallingHome } = network
  const expose = ['expose', target, '--as', SERVICES.any, '--home', servingHome, '--relay-only', '--json']
  const exposing = launch.node('agent-serving', [CLI, ...expose], 'ignore')
  await lines(exposing.child).next()
  exposing.child.stdout?.resume()
  const port = `${await freePort()}`
  const connect = [
    'connect',
    `${network.servingName}/${SERVICES.any}`,
    port,
    '--home',
    diallingHome,
    '--relay-only',
  ]
  launch.node('agent-dialling', [CLI, ...connect], 'ignore')
  await accepts(Number(port))
  return { ...launch.running('plain', port), addIdle: undefined }
}

async function startTls(
  launch: Launch,
  { folder }: Prepared,
  contender: 'tls-haproxy' | 'tls-nginx',
): Promise<Running> {
  const target = Number(await launch.serve('tls', materialFile(folder)))
  const port = await freePort()
  const command = contender === 'tls-haproxy' ? haproxyCommand : nginxCommand
  const [program, ...args] = command(port, target, folder)
  launch.program('relay', program, args)
  await accepts(port)
  return launch.running('tls', `${port}`, materialFile(folder))
}

async function startSsh(launch: Launch, { ssh }: Prepared): Promise<Running> {
  if (ssh === undefined) throw new Error('there is no ssh')
  const target = await launch.serve('plain')
  const [remotePort, localPort] = [await freePort(), await freePort()]
  launch.program('relay', ...sshdCommand(ssh), 'inherit')
  await accepts(ssh.port)
  launch.program('agent-serving', ...sshCommand(ssh, '-R', `127.0.0.1:${remotePort}:127.0.0.1:${target}`))
  await accepts(remotePort)
  launch.program('agent-dialling', ...sshCommand(ssh, '-L', `127.0.0.1:${localPort}:127.0.0.1:${remotePort}`))
  await accepts(localPort)
  return {
    ...launch.running('plain', `${localPort}`),
    addIdle: async (count) => {
      const clients = new ClosingStack()
      for (let i = 0; i < count; i++) {
        const port = await freePort()
        const forward = `127.0.0.1:${port}:127.0.0.1:${remotePort}`
        const client = start(undefined, ...sshCommand(ssh, '-L', forward), { stderr: 'ignore' })
        clients.defer(() => client[Symbol.asyncDispose]())
        await accepts(port)
      }
      return clients
    },
  }
}
