import type { Socket } from 'node:net'
import type { Connection, ServerConfig } from 'ssh2'
import type { Clock, Timer } from '../../lib/base/runtime.ts'
import type { ChannelStream } from '../../lib/ssh/channel-stream.ts'
import type { SshKeyRegister } from '../authority/ssh-key-register.ts'
import type { SshKey } from '../authority/ssh-key.ts'
import { SERVER_ALGORITHMS } from './algorithms.ts'
import { authenticate } from './authenticate.ts'
import type { OpenDecision } from './decide-open.ts'
import { decideOpen } from './decide-open.ts'
import { Exposures, nameOfExposure } from './exposures.ts'
import type { HostKey } from './host-key.ts'
import { SshConnection } from './ssh-connection.ts'
import { HeldBytes } from './held-bytes.ts'

/** What the SSH service is made of. */
export interface SshServiceSetup {
  readonly hostKey: HostKey
  readonly keys: SshKeyRegister
  /** Whether a name belongs to a member: those have names in the same network. */
  readonly isMember: (name: string) => boolean
  readonly clock: Clock
}

/** Numbers for the operator. */
export interface SshCounters {
  /** SSH clients that are logged in. */
  readonly sshClients: number
  /** Channels that are joined. */
  readonly sshChannels: number
}

/** Ours: a client with a new address comes back before the relay has noticed that the old one is dead. */
const MAX_CONNECTIONS_PER_KEY = 16
/** Ours: as the links of members: a client that is gone is noticed within 45 s. */
const KEEPALIVE_MS = 15_000
const KEEPALIVE_MISSES = 2
/** Ours: 128 channels whose readers have all stopped. */
const MAX_HELD_BYTES = 256 * 1024 * 1024
const BANNER = [
  'p2p-reach relay: whoever runs it can read what you forward through it.',
  'Forward TLS or SSH for what it must not read, or use  p2p-reach connect.',
  '',
].join('\r\n')

/** Serves plain SSH clients: those whose keys are enrolled expose services to each other, and nothing else. */
export class SshService {
  readonly #setup: SshServiceSetup
  readonly #ssh2: typeof import('ssh2')
  readonly #exposures = new Exposures<SshConnection>()
  readonly #connections = new Set<SshConnection>()
  readonly #sockets = new Set<Socket>()
  readonly #held = new HeldBytes(MAX_HELD_BYTES)
  readonly #unwatch: () => void
  #timer: Timer | undefined

  private constructor(setup: SshServiceSetup, ssh2: typeof import('ssh2')) {
    this.#setup = setup
    this.#ssh2 = ssh2
    this.#unwatch = setup.keys.watch(() => this.#keysChanged())
  }

  static async open(setup: SshServiceSetup): Promise<SshService> {
    return new SshService(setup, (await import('ssh2')).default)
  }

  /** By what clients know the relay: `SHA256:…` */
  get hostKey(): string {
    return this.#setup.hostKey.fingerprint
  }

  get counters(): SshCounters {
    let channels = 0
    for (const connection of this.#connections) channels += connection.channels
    // Each counts where it begins and where it ends.
    return { sshClients: this.#connections.size, sshChannels: channels / 2 }
  }

  connectionsOf(fingerprint: string): number {
    return [...this.#connections].filter(({ key }) => key.fingerprint === fingerprint).length
  }

  /** What the holder of a key exposes now, as others name it. */
  exposedBy(fingerprint: string): readonly string[] {
    return this.#exposures.ofOwner(fingerprint).map(nameOfExposure)
  }

  /** Serves one connection to its end. Whoever accepted it bounds what it costs until `onProven`. */
  serve(socket: Socket, onProven: () => void): void {
    const { hostKey } = this.#setup
    const config: ServerConfig = {
      hostKeys: [hostKey.privateKey],
      algorithms: SERVER_ALGORITHMS,
      ident: 'p2p-reach',
      banner: BANNER,
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVE_MISSES,
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // A server of its own for each connection: ssh2 does not say which socket a client came over.
    const server = new this.#ssh2.Server(config, (client) => this.#greet(client, socket, onProven))
    server.injectSocket(socket)
  }

  /** Cuts all connections. */
  close(): void {
    this.#unwatch()
    this.#timer?.cancel()
    for (const socket of this.#sockets) socket.destroy()
  }

  #greet(client: Connection, socket: Socket, onProven: () => void): void {
    let key: SshKey | undefined
    // ssh2 only ends its own direction; the client may never end the other.
    client.on('error', () => socket.destroy())
    client.on('end', () => socket.destroy())
    authenticate(client, {
      welcome: (fingerprint) => this.#setup.keys.welcome(fingerprint),
      parseKey: (text) => this.#ssh2.utils.parseKey(text),
      onKey: (proven) => (key = proven),
      onGivenUp: () => socket.destroy(),
    })
    client.once('ready', () => {
      // The key may have been revoked while it proved itself.
      const welcome = key === undefined ? undefined : this.#setup.keys.welcome(key.fingerprint)
      if (welcome === undefined || this.connectionsOf(welcome.fingerprint) >= MAX_CONNECTIONS_PER_KEY) {
        socket.destroy()
        return
      }
      onProven()
      this.#admit(client, socket, welcome)
    })
  }

  #admit(client: Connection, socket: Socket, key: SshKey): void {
    const connection = new SshConnection(client, socket, key, {
      exposures: this.#exposures,
      decide: (fingerprint, host, port) => this.#decide(fingerprint, host, port),
      mayExpose: (fingerprint) => {
        const use = this.#setup.keys.welcome(fingerprint)?.use
        return use !== undefined && use !== 'reach'
      },
      onJoined: (ends) => this.#watchHeld(ends),
    })
    this.#connections.add(connection)
    socket.once('close', () => {
      this.#connections.delete(connection)
      this.#exposures.drop(connection)
    })
  }

  #decide(fingerprint: string, host: string, port: number): OpenDecision<SshConnection> {
    const { keys, isMember } = this.#setup
    return decideOpen(keys.welcome(fingerprint), host, port, {
      welcome: (other) => keys.welcome(other),
      keyNamed: (name) => keys.all.find((one) => one.name === name && one.revokedAtMs === undefined),
      isMember,
      exposures: this.#exposures,
    })
  }

  /** Who is not welcome any more goes at once, with the channels in both directions. */
  #keysChanged(): void {
    for (const connection of [...this.#connections]) {
      if (this.#setup.keys.welcome(connection.key.fingerprint) === undefined) connection.cut()
    }
  }

  /** Looks every second while there is something to look at. */
  #watchHeld(ends: readonly ChannelStream[]): void {
    this.#held.add(ends)
    this.#timer ??= this.#setup.clock.setTimer(1000, () => {
      this.#timer = undefined
      this.#held.bound()
      if (this.#held.size > 0) this.#watchHeld([])
    })
  }
}
