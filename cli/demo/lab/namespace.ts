import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { ReachError } from '../../../lib/base/errors.ts'
import { collect, startCommand, type CommandOptions, type CommandResult } from './command.ts'
import { findTool, programEnvironment, systemEnvironment } from './tools.ts'

export interface NamespaceOptions {
  /**
   * Files under /proc/sys/net and what to write there before anything else is set up (`ipv4/ip_forward: '1'`). A leading
   * `-` lets the file be missing, as in sysctl.d(5).
   */
  readonly settings?: Readonly<Record<string, string>>
  /** What programs in the namespace read in place of these files of the machine. */
  readonly etc?: EtcFiles
}

/** Contents that replace files in /etc. The files must exist on the machine, for they are mounted over. */
export interface EtcFiles {
  readonly resolvConf?: string
  readonly hosts?: string
}

export interface ProgramOptions {
  /** Default: the driver's. */
  readonly env?: NodeJS.ProcessEnv
  /** Default: the driver's. */
  readonly cwd?: string
}

/** Shell: writes each argument `PATH=VALUE`. */
const SET = `
for setting in "$@"; do
  path=\${setting%%=*}
  case $path in -*) path=\${path#-}; [ -e "/proc/sys/net/$path" ] || continue ;; esac
  printf %s "\${setting#*=}" > "/proc/sys/net/$path" || exit 1
done
`

/**
 * The holder: a shell in the new namespace that sets it up, says `ready`, and waits for its stdin.
 *
 * A line there means close; the end of the pipe means that the driver is gone, in whatever way. In both cases it kills
 * whatever runs in the namespace and then ends itself, which was what kept the namespace alive. After a driver's death
 * it looks twice: a program that was being started at that moment may enter the namespace a little later. Only
 * shell builtins look through /proc, so that the search takes about a millisecond; `-ef` compares the two namespace
 * files by device and inode, which is what identifies a namespace (namespaces(7)).
 */
const HOLDER = `
${SET}
if [ -n "$LAB_RESOLV_CONF$LAB_HOSTS" ]; then
  mount -t tmpfs -o size=64k tmpfs /mnt || exit 1
  for file in resolv.conf hosts; do
    case $file in hosts) text=$LAB_HOSTS ;; *) text=$LAB_RESOLV_CONF ;; esac
    [ -n "$text" ] || continue
    printf %s "$text" > /mnt/$file && mount --bind /mnt/$file /etc/$file || exit 1
  done
  umount -l /mnt
fi
ip link set lo up || exit 1
echo ready

if read -r order; then looks=1; else looks=2; fi
while [ $looks -gt 0 ]; do
  looks=$((looks - 1))
  round=0 found=yes
  while [ -n "$found" ] && [ $round -lt 100 ]; do
    round=$((round + 1)) found=
    for process in /proc/[0-9]*; do
      pid=\${process#/proc/}
      if [ "$process/ns/net" -ef /proc/$$/ns/net ] && [ "$pid" != $$ ]; then kill -9 "$pid"; found=yes; fi
    done 2>/dev/null
  done
  [ $looks -eq 0 ] || sleep 0.2
done
`

/**
 * One anonymous network namespace, alive as long as its holder process. Nothing of it is on disk, and it ends with the
 * driver, even with `kill -9`: see {@link HOLDER} for the namespace, `setpriv --pdeathsig` for the programs in it.
 *
 * Kernel behaviour this relies on (prctl(2), PR_SET_PDEATHSIG): the signal comes when the *thread* that started the
 * program ends, so labs belong on Node's main thread; the setting outlives execve, except of a program with set-user-ID
 * or file capabilities run by somebody who is not root; children of the program do not inherit it. A program that was
 * forked but had not asked for the signal when the driver died does not get it. For these two there is the search.
 */
export class Namespace {
  /** For people and error messages; the kernel does not know it. */
  readonly name: string
  readonly #holder: ChildProcessWithoutNullStreams
  readonly #pid: number
  readonly #hasOwnEtc: boolean
  readonly #programs = new Set<ChildProcessWithoutNullStreams>()
  #closing: Promise<void> | undefined

  private constructor(name: string, holder: ChildProcessWithoutNullStreams, pid: number, hasOwnEtc: boolean) {
    this.name = name
    this.#holder = holder
    this.#pid = pid
    this.#hasOwnEtc = hasOwnEtc
  }

  /** Makes a namespace with its loopback interface up. @throws {ReachError} ERR_REACH_LAB */
  static async open(name: string, options: NamespaceOptions = {}): Promise<Namespace> {
    const { settings = {}, etc } = options
    const unshare = ['unshare', '--net', ...(etc === undefined ? [] : ['--mount'])]
    const holder = startCommand(
      [...unshare, '--', 'sh', '-c', HOLDER, 'lab-holder', ...assignments(settings)],
      {
        env: { ...systemEnvironment(), LAB_RESOLV_CONF: etc?.resolvConf ?? '', LAB_HOSTS: etc?.hosts ?? '' },
      },
    )
    const pid = await readiness(name, holder)
    return new Namespace(name, holder, pid, etc !== undefined)
  }

  /** Process id of the holder, by which the kernel finds the namespace (`ip link … netns PID`). */
  get pid(): number {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) {
      // Its id may belong to another process by now, and its namespace with it.
      throw new ReachError('ERR_REACH_LAB', `the namespace of ${this.name} is gone`)
    }
    return this.#pid
  }

  /** Runs a command inside to its end. Rejects as `runCommand` does. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const child = this.start(argv, options)
    child.stdin.end(options.input ?? '')
    return collect(child, argv, options)
  }

  /** Runs a command inside that must succeed; gives its stdout. @throws {ReachError} ERR_REACH_LAB with its stderr */
  async must(argv: readonly string[], input?: string): Promise<string> {
    const env = systemEnvironment()
    const result = await this.run(argv, input === undefined ? { env } : { env, input })
    if (result.code === 0) return result.stdout
    throw new ReachError(
      'ERR_REACH_LAB',
      `${argv.join(' ')} failed in ${this.name}: ${result.stderr.trim()}`,
      {
        details: { argv, input, ...result },
      },
    )
  }

  /** Carries out `ip` commands, one a line, all in one process. @throws {ReachError} ERR_REACH_LAB */
  async ip(lines: readonly string[]): Promise<void> {
    await this.must(['ip', '-batch', '-'], lines.map((line) => `${line}\n`).join(''))
  }

  /** Loads nftables rules, all or none. @throws {ReachError} ERR_REACH_LAB */
  async nft(rules: string): Promise<void> {
    await this.must(['nft', '-f', '-'], rules)
  }

  /** Writes files under /proc/sys/net; see {@link NamespaceOptions.settings}. @throws {ReachError} ERR_REACH_LAB */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.must(['sh', '-c', SET, 'lab-set', ...assignments(settings)])
  }

  /** Starts a program inside, with pipes for its three streams. The caller reads them, or the program will block. */
  start(argv: readonly string[], options: ProgramOptions = {}): ChildProcessWithoutNullStreams {
    const { env, cwd = process.cwd() } = options
    const [setpriv = 'setpriv', nsenter = 'nsenter', chdir = 'env'] = ['setpriv', 'nsenter', 'env'].map(
      findTool,
    )
    const target = `/proc/${this.pid}/ns`
    // Entering a mount namespace moves the program to its root folder, hence `env --chdir`.
    const entry = this.#hasOwnEtc
      ? [`--net=${target}/net`, `--mount=${target}/mnt`, '--', chdir, `--chdir=${cwd}`, '--']
      : [`--net=${target}/net`, '--']
    const child = startCommand([setpriv, '--pdeathsig', 'KILL', '--', nsenter, ...entry, ...argv], {
      env: programEnvironment(env),
      cwd,
    })
    this.#programs.add(child)
    child.once('exit', () => this.#programs.delete(child))
    return child
  }

  /** Kills every program inside, grandchildren too, and gives the namespace back. The same promise each time. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    for (const program of this.#programs) program.kill('SIGKILL')
    const holder = this.#holder
    if (holder.exitCode !== null || holder.signalCode !== null) return
    holder.ref()
    const ended = once(holder, 'exit')
    holder.stdin.end('close\n')
    await ended
    await Promise.all([...this.#programs].map((program) => once(program, 'exit')))
  }
}

function assignments(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).map(([path, value]) => `${path}=${value}`)
}

/** Resolves with the holder's process id once it has set up its namespace; then it no longer keeps Node running. */
async function readiness(name: string, holder: ChildProcessWithoutNullStreams): Promise<number> {
  let stderr = ''
  holder.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const ready = await Promise.race([
    once(holder.stdout, 'data').then(() => true),
    once(holder, 'close').then(() => false),
  ])
  if (!ready || holder.pid === undefined) {
    throw new ReachError('ERR_REACH_LAB', `cannot make a network namespace for ${name}: ${stderr.trim()}`, {
      details: { name, stderr },
      hint: 'see labAvailability() for what this machine lacks',
    })
  }
  // It prints nothing more. A lab that nobody closed must not keep Node from ending, which closes it.
  holder.stdout.destroy()
  holder.stderr.destroy()
  holder.unref()
  return holder.pid
}
