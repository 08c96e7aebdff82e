import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'

const SSHD = '/usr/sbin/sshd'
/** Debian's own configuration; options of the command line come before it. */
const CONFIG = '/etc/ssh/sshd_config'

/** Whether OpenSSH's server can be run here: it changes to the user who logs in. */
export const canRunSshd = existsSync(SSHD) && existsSync(CONFIG) && process.getuid?.() === 0

/** Keys and files of an SSH server of a test. */
export interface SshFolder {
  readonly path: string
  /** A private key that the server lets in. */
  readonly userKey: string
  readonly hostKey: string
  readonly authorizedKeys: string
  /** `ssh-ed25519 AAAA…` */
  readonly hostPublicKey: string
  /** `SHA256:…` */
  readonly fingerprint: string
}

/** Makes keys of a server and of a user, in a folder that goes with the test. */
export async function sshFolder(t: ExecutionContext): Promise<SshFolder> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-reach-sshd-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  const [userKey, hostKey] = [newKey(path, 'user'), newKey(path, 'host')]
  const authorizedKeys = join(path, 'authorized_keys')
  await writeFile(authorizedKeys, await readFile(`${userKey}.pub`))
  const hostPublicKey = (await readFile(`${hostKey}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ')
  return { path, userKey, hostKey, authorizedKeys, hostPublicKey, fingerprint: fingerprintOf(hostKey) }
}

export function newKey(folder: string, name: string, ...flags: readonly string[]): string {
  const path = join(folder, name)
  const own = flags.length === 0 ? ['-N', ''] : flags
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-f', path, ...own])
  return path
}

export function fingerprintOf(key: string): string {
  return execFileSync('ssh-keygen', ['-lf', `${key}.pub`], { encoding: 'utf8' }).split(' ')[1] ?? ''
}

/** What sshd is started with: Debian's configuration but for keys, address and the options. */
export function sshdArguments(
  { path, hostKey, authorizedKeys }: SshFolder,
  listen: string,
  port: number,
  options: readonly string[] = [],
): readonly string[] {
  const own = [
    ...[`ListenAddress=${listen}`, `Port=${port}`, `HostKey=${hostKey}`, `PidFile=${path}/pid`],
    // Folders of tests belong to root, below one that everybody may write to.
    ...[`AuthorizedKeysFile=${authorizedKeys}`, 'StrictModes=no'],
    ...options,
  ]
  return ['-D', '-e', '-f', CONFIG, ...own.flatMap((option) => ['-o', option])]
}

/** A running server. */
export interface Sshd {
  readonly port: number
  /** Ends it, the processes of its connections included. */
  stop(): Promise<void>
}

/** Starts a server on the loopback, and waits until it listens. */
export async function startSshd(
  t: ExecutionContext,
  folder: SshFolder,
  { options = [], port }: { readonly options?: readonly string[]; readonly port?: number } = {},
): Promise<Sshd> {
  await mkdir('/run/sshd', { recursive: true })
  const at = port ?? (await freePort())
  // A group of its own: sshd has a process for each connection, and these outlive it.
  const child = spawn(SSHD, sshdArguments(folder, '127.0.0.1', at, options), {
    stdio: 'ignore',
    detached: true,
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    const connections = processesBelow(child.pid)
    child.kill('SIGKILL')
    for (const pid of connections) killQuietly(pid)
    await ended
  }
  t.teardown(stop)
  await listens(at)
  return { port: at, stop }
}

/** All processes below one: sshd has some for each connection. */
export function processesBelow(pid: number | undefined): readonly number[] {
  const table = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
  const pairs = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const below = (parent: number): readonly number[] =>
    pairs.filter(([, of]) => of === parent).flatMap(([child = 0]) => [...below(child), child])
  return pid === undefined ? [] : below(pid)
}

export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it is gone already
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await sleep(50)
  }
  throw new Error(`sshd does not listen on ${port}`)
}
