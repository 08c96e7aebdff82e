import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { folderOf, run, start } from '../../cli/support/command-line.ts'
import { freePortPair } from '../../loopback/relay-support/relay.ts'
import { RunningProgram } from '../../netns/support/running-program.ts'
import { newKey } from '../../support/sshd.ts'

/** A relay of the command line, with the keys of two SSH clients. */
export interface RelayWithSsh {
  readonly folder: string
  readonly home: string
  readonly port: number
  /** `SHA256:…` as the relay said it. */
  readonly hostKey: string
  /** Starts the relay anew on the same home and port. */
  restart(): Promise<void>
}

/** Starts the relay, and lets `web1` and `bob` in. */
export async function relayWithSsh(t: ExecutionContext): Promise<RelayWithSsh> {
  const folder = folderOf(t)
  const home = join(folder, 'relay')
  const port = await freePortPair(['127.0.0.1'])
  const stun = await freePortPair(['127.0.0.1'])
  const argv = [
    ...['relay', 'up', '--json', '--home', home],
    ...['--listen', `127.0.0.1:${port}`, '--stun', `127.0.0.1:${stun}`],
  ]
  let relay = new RunningProgram(start(argv))
  t.teardown(() => relay.stop('SIGKILL'))
  const [, hostKey = ''] = await relay.waitForLine(/"event":"ready".*"sshHostKey":"(SHA256:[^"]+)"/)
  for (const name of ['web1', 'bob']) await enrol(t, home, folder, name)
  const restart = async () => {
    await relay.stop('SIGKILL')
    relay = new RunningProgram(start(argv))
    await relay.waitForLine(/"event":"ready"/)
  }
  return { folder, home, port, hostKey, restart }
}

/** Makes a key and lets its holder in. */
export async function enrol(
  t: ExecutionContext,
  home: string,
  folder: string,
  name: string,
  flags: readonly string[] = [],
): Promise<void> {
  const key = newKey(folder, name)
  const { code, stderr } = await run([
    ...['relay', 'ssh-key', 'add', '--name', name, '--home', home, ...flags, `${key}.pub`],
  ])
  t.is(code, 0, stderr)
}

/** An `ssh` of Debian, which ends with the test. */
export class SshClient {
  readonly #child: ChildProcessWithoutNullStreams
  readonly ended: Promise<number | null>
  #said = ''
  #listeners = new Set<() => void>()

  /** @param user whose key it has: the name of a file in the folder */
  constructor(t: ExecutionContext, { folder, port }: RelayWithSsh, user: string, argv: readonly string[]) {
    const options = [
      ...['StrictHostKeyChecking=accept-new', `UserKnownHostsFile=${join(folder, 'known_hosts')}`],
      ...['IdentitiesOnly=yes', 'IdentityAgent=none', 'ExitOnForwardFailure=yes', 'BatchMode=yes'],
    ]
    this.#child = spawn('ssh', [
      ...['-v', '-F', 'none', '-i', join(folder, user), '-p', String(port)],
      ...options.flatMap((option) => ['-o', option]),
      ...argv,
      '127.0.0.1',
    ])
    this.#child.stdin.on('error', () => undefined)
    this.#child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#said += chunk
      for (const listener of this.#listeners) listener()
    })
    this.ended = new Promise((resolve) => this.#child.once('close', resolve))
    t.teardown(async () => {
      this.#child.kill('SIGKILL')
      await this.ended
    })
  }

  get said(): string {
    return this.#said
  }

  get stdin(): NodeJS.WritableStream {
    return this.#child.stdin
  }

  get stdout(): NodeJS.ReadableStream {
    return this.#child.stdout
  }

  /** Resolves when it has said that. Rejects when it ends without. */
  async says(pattern: RegExp): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      const look = () => {
        if (pattern.test(this.#said)) resolve()
      }
      this.#listeners.add(look)
      look()
    })
    const isHeard = await Promise.race([heard.then(() => true), this.ended.then(() => false)])
    if (!isHeard && !pattern.test(this.#said)) throw new Error(`ssh ended without ${pattern}: ${this.#said}`)
  }
}

/** `ssh -N -R …` that is in place. */
export async function exposing(
  t: ExecutionContext,
  relay: RelayWithSsh,
  user: string,
  forward: string,
): Promise<SshClient> {
  const client = new SshClient(t, relay, user, ['-N', '-R', forward])
  await client.says(/remote forward success/)
  return client
}

/** `ssh -N -L …` that listens; answers where. */
export async function reaching(
  t: ExecutionContext,
  relay: RelayWithSsh,
  user: string,
  target: string,
): Promise<number> {
  const port = await freePortPair(['127.0.0.1'])
  const client = new SshClient(t, relay, user, ['-N', '-L', `127.0.0.1:${port}:${target}`])
  await client.says(/Entering interactive session/)
  return port
}

/** A TCP service of the test. */
export async function serviceOf(t: ExecutionContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}

/** A connection of the test. */
export async function connected(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

export async function hashOf(stream: AsyncIterable<unknown>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

export const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

/** Puts another key of the relay's port into known_hosts. */
export async function knowAnother({ folder, port }: RelayWithSsh, publicKey: string): Promise<void> {
  await writeFile(join(folder, 'known_hosts'), `[127.0.0.1]:${port} ${publicKey}\n`)
}
