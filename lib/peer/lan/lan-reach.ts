import type { Duplex } from 'node:stream'
import { deadlineSignal } from '../../base/deadline.ts'
import { parseEndpoint } from '../../base/endpoint.ts'
import { ReachError } from '../../base/errors.ts'
import { toHex } from '../../base/hex.ts'
import { ipScope } from '../../base/ip-range.ts'
import type { PeerId } from '../../base/peer-id.ts'
import type { Runtime } from '../../base/runtime.ts'
import { formatAddress, isIp } from '../../base/transport-address.ts'
import type { LanPeer } from '../../lan/lan-peers.ts'
import { LanPeers, newInstance } from '../../lan/lan-peers.ts'
import { lanCredentials } from '../../protocol/mdns/lan-service.ts'
import type { TcpPath } from '../../punch/tcp-attempt.ts'
import { TcpAttempt } from '../../punch/tcp-attempt.ts'
import { TcpDoor } from '../../punch/tcp-door.ts'
import type { TcpListener } from '../../punch/tcp-listener.ts'
import type { PathAbout } from '../../session/path-pipe.ts'

/** What peers on the LAN are reached by. */
export interface LanReachSetup {
  readonly runtime: Runtime
  /** SHA-256 of the SubjectPublicKeyInfo of the network's root, in hex. */
  readonly network: string
  /** Ours. */
  readonly peerId: PeerId
  /** Of the network, as HOST:PORT. */
  readonly relays: () => readonly string[]
  readonly listeners: () => Promise<readonly TcpListener[]>
  /** Somebody who knows our PeerId has come in over the LAN; who it is, TLS tells. */
  readonly onStream: (stream: Duplex, about: PathAbout) => void
}

/** A connection to whoever answers for a peer on the LAN; TLS comes next. */
export interface LanStream {
  readonly stream: Duplex
  readonly about: PathAbout
}

/** Ours: a connection in a LAN takes milliseconds; who was heard may be gone without a goodbye. */
const KNOCK_TIMEOUT_MS = 2000
/** Ours: starts of one peer that are dialled at once: the last ones may not have said goodbye. */
const MAX_INSTANCES = 4

/** Reaches peers of this LAN without any server, and is reached by them: both at the ports that other direct paths use. */
export class LanReach implements AsyncDisposable {
  readonly #setup: LanReachSetup
  #peers: Promise<LanPeers> | undefined
  #announced: Promise<boolean> | undefined
  #door: TcpDoor | undefined
  #isClosed = false

  constructor(setup: LanReachSetup) {
    this.#setup = setup
  }

  /** Takes connections from now on, and says so on the LAN. Answers whether there is one. Never rejects. */
  announce(): Promise<boolean> {
    return (this.#announced ??= this.#announce().catch(() => false))
  }

  /** Listens for peers from now on, so that those who announce themselves are known when they are dialled. */
  listen(): void {
    if (!this.#isSilent()) this.#look().catch(() => undefined) // whoever dials hears of it
  }

  /** Whether a peer is known to be here without asking. */
  async hears(peerId: PeerId): Promise<boolean> {
    const peers = await this.#peers?.catch(() => undefined)
    return peers !== undefined && peers.heard(peerId).length > 0
  }

  /**
   * Connects to whoever says to be the peer here and can prove to know its PeerId.
   * @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE when nobody does: other ways say more
   * @throws the signal's reason
   */
  async connect(peerId: PeerId, signal: AbortSignal): Promise<LanStream> {
    if (this.#isSilent()) throw notHere()
    const peers = await this.#look().catch(() => undefined) // what the system refuses is as good as nobody
    const found = (await peers?.find(peerId, signal)) ?? []
    const lost = new AbortController()
    const during = AbortSignal.any([signal, lost.signal])
    try {
      const knocks = found.slice(-MAX_INSTANCES).map((peer) => this.#knock(peer, peerId, during))
      const { socket, local, remote } = await Promise.any(knocks)
      return {
        stream: socket,
        about: { kind: 'direct-tcp', via: formatAddress(remote), local, remote },
      }
    } catch {
      signal.throwIfAborted()
      throw notHere()
    } finally {
      lost.abort()
    }
  }

  /** Says goodbye. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#door?.[Symbol.dispose]()
    await this.#announced
    await (await this.#peers?.catch(() => undefined))?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A network whose relays are all on this host has nobody on the LAN: nothing is sent there. */
  #isSilent(): boolean {
    return this.#isClosed || this.#setup.relays().every(isOnThisHost)
  }

  #look(): Promise<LanPeers> {
    const { runtime, network } = this.#setup
    return (this.#peers ??= LanPeers.open({ runtime, network, self: undefined }))
  }

  async #announce(): Promise<boolean> {
    const { runtime, network, peerId, onStream } = this.#setup
    const listeners = await this.#setup.listeners()
    const port = listeners[0]?.local.port
    if (port === undefined || this.#isSilent()) return false
    const instance = newInstance(runtime)
    this.#door = new TcpDoor({
      ...{ runtime, listeners, ufrag: instance },
      credentialsOf: (ufrag) => lanCredentials({ network, peerId, instance }, ufrag),
      onConnection: ({ socket, local, remote }) =>
        onStream(socket, { kind: 'direct-tcp', via: formatAddress(remote), local, remote }),
    })
    const before = this.#peers
    this.#peers = LanPeers.open({ runtime, network, self: { peerId, instance, port } })
    await (await before)?.close()
    return (await this.#peers).isOnLan
  }

  async #knock({ instance, addresses }: LanPeer, peerId: PeerId, signal: AbortSignal): Promise<TcpPath> {
    const { runtime, network } = this.#setup
    using deadline = deadlineSignal(runtime.clock, KNOCK_TIMEOUT_MS, signal)
    const door = { network, peerId, instance }
    const attempt = new TcpAttempt({
      ...{ runtime, role: 'controlling', stunServers: [], signallingRttMs: 0 },
      localCredentials: lanCredentials(door, toHex(runtime.random.bytes(8))),
      remoteCredentials: lanCredentials(door, instance),
      maySendTo: () => true, // what is heard is believed only in our own networks
      signal: () => undefined,
    })
    const onAbort = () => attempt.close()
    deadline.signal.addEventListener('abort', onAbort, { once: true })
    if (deadline.signal.aborted) onAbort()
    for (const address of addresses) attempt.dial(address)
    const path = await attempt.result
    deadline.signal.removeEventListener('abort', onAbort)
    if (path === undefined) throw notHere()
    if (!signal.aborted) return path
    path.socket.destroy()
    throw notHere()
  }
}

function isOnThisHost(relay: string): boolean {
  const { host } = parseEndpoint(relay)
  return host === 'localhost' || (isIp(host) && ipScope(host) === 'loopback')
}

function notHere(): ReachError {
  return new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the peer is not on this LAN')
}
