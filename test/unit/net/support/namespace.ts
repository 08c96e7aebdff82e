import { execFile, execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'

/** How long a script in a namespace, and any namespace it makes, may live. */
const LIFETIME_MS = 60_000

/** Why no network namespace can be made here; undefined when it can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are a feature of Linux'
  try {
    execFileSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'making a network namespace needs root, and the programs unshare and ip'
  }
}

/** Runs a compiled script in a network namespace of its own and gives what it printed as JSON. */
export async function runInNamespace(script: URL): Promise<unknown> {
  const args = ['-n', process.execPath, script.pathname]
  const { stdout } = await promisify(execFile)('unshare', args, {
    timeout: LIFETIME_MS,
    killSignal: 'SIGKILL',
  })
  return JSON.parse(stdout)
}

/** Another namespace, kept alive by a process that sleeps in it. */
export class Namespace {
  readonly #keeper: ChildProcess

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper
  }

  static async make(): Promise<Namespace> {
    const keep = `echo ready; exec sleep ${LIFETIME_MS / 1000}`
    const keeper = spawn('unshare', ['-n', 'sh', '-c', keep], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(keeper.stdout, 'data')
    return new Namespace(keeper)
  }

  get pid(): string {
    return String(this.#keeper.pid)
  }

  /** Runs `ip …` inside; the arguments are split at blanks. */
  ip(args: string): void {
    this.run('ip', args)
  }

  run(program: string, args: string): void {
    execFileSync('nsenter', ['-t', this.pid, '-n', program, ...args.split(' ')])
  }

  /** Starts a program inside, with the parent reading what it prints. */
  start(program: string, args: readonly string[]): ChildProcess {
    return spawn('nsenter', ['-t', this.pid, '-n', program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  close(): void {
    this.#keeper.kill('SIGKILL')
  }
}

/** Runs `ip …` in the namespace of this process; the arguments are split at blanks. */
export function ip(args: string): void {
  execFileSync('ip', args.split(' '))
}
