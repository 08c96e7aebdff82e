import type { Duplex } from 'node:stream'
import type { Channel, Client, SFTPWrapper } from 'ssh2'
import { deadlineSignal } from '../base/deadline.ts'
import type { ReachError } from '../base/errors.ts'
import type { TcpSocket, Timer } from '../base/runtime.ts'
import { transportAddress } from '../base/transport-address.ts'
import { knownKeysOf } from '../protocol/ssh/known-hosts.ts'
import { ChannelStream } from './channel-stream.ts'
import { LoginAttempt } from './login-attempt.ts'
import { sshUnreachable } from './ssh-errors.ts'
import type { SshServerSetup } from './ssh-options.ts'
import { knownHostsTexts, loginKeys } from './user-keys.ts'

/** Ours: from dialling to being logged in. */
const LOGIN_TIMEOUT_MS = 12_000
/** Ours: as for relays: who was asked has this long to answer. */
const PROBE_TIMEOUT_MS = 3000
/** Ours: how long the server may take to remove a file. */
const REMOVE_TIMEOUT_MS = 3000

/** Who comes to a forwarded socket or port. */
type OnStream = (stream: Duplex) => void

/** One connection to an SSH server, logged in. */
export class SshLogin {
  /** Resolves when it is over, with the reason. Never rejects. */
  readonly closed: Promise<ReachError>
  readonly #client: Client
  readonly #socket: TcpSocket
  readonly #setup: SshServerSetup
  readonly #listeners = new Map<string, OnStream>()
  #sftp: Promise<SFTPWrapper | undefined> | undefined
  #isOver = false
  #probe: Timer | undefined

  private constructor(client: Client, socket: TcpSocket, setup: SshServerSetup, closed: Promise<ReachError>) {
    this.#client = client
    this.#socket = socket
    this.#setup = setup
    this.closed = closed
    void closed.then(() => {
      this.#isOver = true
      this.#probe?.cancel()
    })
    client.on('unix connection', ({ socketPath }, accept, reject) => {
      this.#take(socketPath, accept, reject)
    })
    client.on('tcp connection', ({ destPort }, accept, reject) => {
      this.#take(String(destPort), accept, reject)
    })
  }

  /**
   * Dials, checks the host key, and logs in.
   * @throws {ReachError} ERR_REACH_SSH_UNREACHABLE, ERR_REACH_SSH_HOST_KEY_UNKNOWN, ERR_REACH_SSH_HOST_KEY_CHANGED,
   * ERR_REACH_SSH_AUTH, the signal's reason
   */
  static async open(setup: SshServerSetup, signal: AbortSignal): Promise<SshLogin> {
    const { runtime, url } = setup
    // Loaded when it is used: it costs some 30 ms.
    const { Client, utils } = (await import('ssh2')).default
    const keys = await loginKeys(setup, (text) => utils.parseKey(text))
    const known = knownKeysOf(await knownHostsTexts(setup), url)
    using deadline = deadlineSignal(runtime.clock, LOGIN_TIMEOUT_MS, signal)
    const socket = await dial(setup, deadline.signal)
    const client = new Client()
    const attempt = new LoginAttempt(client, socket, setup, { keys, known })
    const onAbort = () => socket.destroy()
    deadline.signal.addEventListener('abort', onAbort, { once: true })
    try {
      await attempt.ready
    } catch (error) {
      signal.throwIfAborted()
      throw deadline.signal.aborted ? sshUnreachable(url, 'it does not answer in time', error) : error
    } finally {
      deadline.signal.removeEventListener('abort', onAbort)
    }
    return new SshLogin(client, socket, setup, attempt.closed)
  }

  /** False as soon as something can't be asked any more, which is before it is closed. */
  get isOpen(): boolean {
    return !this.#isOver && this.#socket.writable
  }

  /** Asks the server for a unix socket; false when it does not make it. */
  forwardSocket(path: string, onStream: OnStream): Promise<boolean> {
    this.#listeners.set(path, onStream)
    return this.#ask(path, (done) => this.#client.openssh_forwardInStreamLocal(path, done))
  }

  /** Asks the server for a TCP port, on its loopback or for all the world; false when it does not give it. */
  forwardPort(port: number, isPublic: boolean, onStream: OnStream): Promise<boolean> {
    this.#listeners.set(String(port), onStream)
    return this.#ask(String(port), (done) => this.#client.forwardIn(isPublic ? '' : 'localhost', port, done))
  }

  /** A connection to a unix socket on the server; undefined when there is none to be had. */
  openSocket(path: string): Promise<Duplex | undefined> {
    return this.#open((done) => this.#client.openssh_forwardOutStreamLocal(path, done))
  }

  /** A connection to a port on the server's loopback; undefined when there is none to be had. */
  openPort(port: number): Promise<Duplex | undefined> {
    return this.#open((done) => this.#client.forwardOut('127.0.0.1', 0, 'localhost', port, done))
  }

  /** Removes files of ours by SFTP, as far as the server lets us and they are there. */
  async remove(paths: readonly string[]): Promise<void> {
    using deadline = deadlineSignal(this.#setup.runtime.clock, REMOVE_TIMEOUT_MS)
    const late = new Promise<undefined>((resolve) => {
      deadline.signal.addEventListener('abort', () => resolve(undefined), { once: true })
      void this.closed.then(() => resolve(undefined))
    })
    const sftp = await Promise.race([(this.#sftp ??= this.#openSftp()), late])
    if (sftp === undefined) return
    const removals = paths.map((path) => asking((done) => sftp.unlink(path, done)))
    await Promise.race([Promise.all(removals), late])
  }

  /** Asks the server for anything that it answers; a silent one is given up. */
  probe(): void {
    if (this.#isOver || this.#probe !== undefined) return
    this.#probe = this.#setup.runtime.clock.setTimer(PROBE_TIMEOUT_MS, () => this.#client.destroy())
    // Of a port that nobody can have forwarded: the answer is no.
    void asking((done) => this.#client.unforwardIn('localhost', 1, done)).then(() => {
      this.#probe?.cancel()
      this.#probe = undefined
    })
  }

  close(): void {
    this.#client.end()
    this.#client.destroy()
  }

  #take(place: string, accept: () => Channel, reject: () => void): void {
    const listener = this.#listeners.get(place)
    if (listener === undefined) reject()
    else listener(new ChannelStream(accept()))
  }

  async #ask(place: string, ask: Asking): Promise<boolean> {
    if (this.#isOver) throw await this.closed
    const failure = await asking(ask)
    if (failure === undefined) return true
    this.#listeners.delete(place)
    if (!this.isOpen) throw await this.closed
    return false
  }

  async #open(
    open: (done: (error: Error | undefined, channel: Channel) => void) => unknown,
  ): Promise<Duplex | undefined> {
    let stream: Duplex | undefined
    await asking((done) =>
      open((error, channel) => {
        if (error === undefined) stream = new ChannelStream(channel)
        done(error)
      }),
    )
    return stream
  }

  async #openSftp(): Promise<SFTPWrapper | undefined> {
    let opened: SFTPWrapper | undefined
    await asking((done) =>
      this.#client.sftp((error, sftp) => {
        if (error === undefined) opened = sftp.on('error', () => undefined)
        done(error)
      }),
    )
    return opened
  }
}

type Asking = (done: (error?: Error | null) => void) => unknown

/** Asks ssh2 for something; answers why it failed, if it did. A connection that is gone throws instead of calling back. */
function asking(ask: Asking): Promise<Error | undefined> {
  return new Promise((resolve) => {
    try {
      ask((error) => resolve(error ?? undefined))
    } catch (error) {
      resolve(error instanceof Error ? error : new Error('ssh2 failed', { cause: error }))
    }
  })
}

async function dial({ runtime, url }: SshServerSetup, signal: AbortSignal): Promise<TcpSocket> {
  const found = await runtime.resolver.lookup(url.host, signal)
  if (found.kind !== 'found') throw sshUnreachable(url, `its name can’t be resolved (${found.code})`)
  let last: unknown
  for (const ip of found.ips) {
    try {
      return await runtime.network.connectTcp(transportAddress(ip, url.port, 'tcp'), { signal })
    } catch (error) {
      last = error
      if (signal.aborted) break
    }
  }
  throw sshUnreachable(url, last instanceof Error ? last.message : 'it has no address', last)
}
