import type { AnyAuthMethod, Client, ConnectConfig } from 'ssh2'
import type { ReachError } from '../base/errors.ts'
import type { TcpSocket } from '../base/runtime.ts'
import { sshSurroundings } from '../net/ssh-surroundings.ts'
import { hostKeyFingerprint, hostKeyType } from '../protocol/ssh/host-key.ts'
import type { KnownKeys } from '../protocol/ssh/known-hosts.ts'
import { judgeHostKey } from '../protocol/ssh/known-hosts.ts'
import { ALGORITHMS, hostKeyAlgorithms } from './algorithms.ts'
import { authRefused, hostKeyChanged, hostKeyUnknown, sshLost, sshUnreachable } from './ssh-errors.ts'
import type { SshServerSetup } from './ssh-options.ts'
import type { LoginKey, LoginKeys } from './user-keys.ts'

/** Ours: a server that is silent for so long, with as many questions unanswered, is gone. */
const KEEPALIVE_MS = 5000
const KEEPALIVE_COUNT = 3

/** A login under way: what ssh2 tells by events, as two promises. */
export class LoginAttempt {
  readonly ready: Promise<void>
  readonly closed: Promise<ReachError>
  /** Why the host key was refused: ssh2 only says that it was. */
  #refusal: ReachError | undefined
  readonly #setup: SshServerSetup
  readonly #known: KnownKeys

  constructor(
    client: Client,
    socket: TcpSocket,
    setup: SshServerSetup,
    { keys, known }: { readonly keys: LoginKeys; readonly known: KnownKeys },
  ) {
    this.#setup = setup
    this.#known = known
    let last: unknown
    this.ready = new Promise((resolve, reject) => {
      client.once('ready', resolve)
      client.on('error', (error) => {
        last ??= error
        reject(this.#refusal ?? this.#failureOf(error, keys))
      })
      client.once('close', () =>
        reject(this.#refusal ?? sshUnreachable(setup.url, 'it closed the connection', last)),
      )
    })
    this.ready.catch(() => undefined)
    this.closed = new Promise((resolve) => {
      client.once('close', () => resolve(sshLost(setup.url, last)))
      // Each direction of our sockets ends by itself: without this, an end by the server would leave channels hanging.
      client.once('end', () => socket.destroy())
    })
    client.connect(this.#config(socket, keys))
  }

  #config(socket: TcpSocket, { keys }: LoginKeys): ConnectConfig {
    const username = userOf(this.#setup)
    return {
      sock: socket,
      username,
      algorithms: {
        ...ALGORITHMS,
        serverHostKey: hostKeyAlgorithms(
          this.#setup.url.pin === undefined ? this.#known.trusted.map(hostKeyType) : [],
        ),
      },
      // ssh2 takes any host key when this is left out.
      hostVerifier: (key: Buffer) => this.#isRightHost(key),
      authHandler: keys.map((key) => authMethod(key, username)),
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVE_COUNT,
      readyTimeout: 0, // whoever dials has a limit
      strictVendor: false, // other servers speak OpenSSH's extensions, too
    }
  }

  #isRightHost(key: Buffer): boolean {
    const { url } = this.#setup
    const verdict = judgeHostKey(key, this.#known, url.pin)
    if (verdict === 'right') return true
    const fingerprint = hostKeyFingerprint(key)
    this.#refusal =
      verdict === 'unknown'
        ? hostKeyUnknown(url, fingerprint, hostKeyType(key))
        : hostKeyChanged(url, fingerprint, verdict === 'revoked')
    return false
  }

  #failureOf(error: Error & { level?: string }, { keys, passedOver }: LoginKeys): ReachError {
    const { url } = this.#setup
    if (error.level === 'client-authentication') {
      const shown = keys.map((key) => (key.kind === 'agent' ? 'the agent' : key.path))
      return authRefused(url, userOf(this.#setup), [...shown, ...passedOver], error)
    }
    return sshUnreachable(url, error.message, error)
  }
}

function userOf({ url }: SshServerSetup): string {
  return url.user ?? sshSurroundings().userName
}

function authMethod(key: LoginKey, username: string): AnyAuthMethod {
  if (key.kind === 'agent') return { type: 'agent', username, agent: key.socket }
  return { type: 'publickey', username, key: key.text }
}
