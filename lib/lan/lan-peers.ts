import type { PeerId } from '../base/peer-id.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { toHex } from '../base/hex.ts'
import { Driver } from '../net/driver.ts'
import { readHostNetworks } from '../net/host-networks.ts'
import { NetworkChangeWatcher } from '../net/network-change-watcher.ts'
import type { LanService } from '../protocol/mdns/lan-service.ts'
import { INSTANCE_BYTES, lanTag } from '../protocol/mdns/lan-service.ts'
import type { MdnsEffect, MdnsInput } from '../protocol/mdns/mdns-machine.ts'
import { MdnsMachine } from '../protocol/mdns/mdns-machine.ts'
import type { HeardService } from '../protocol/mdns/service-cache.ts'
import type { LanLink } from './lan-links.ts'
import { lanLinks } from './lan-links.ts'
import { LanSockets } from './lan-sockets.ts'

/** Somebody on the LAN who speaks our protocol, perhaps of another network. */
export interface LanPeer {
  /** Changes with each start of the peer. */
  readonly instance: string
  /** Of its network and PeerId: {@link LanPeers.find} recognises it, and only who knows both can. */
  readonly tag: string
  /** Where it takes connections, over TCP. What answers there has to prove who it is. */
  readonly addresses: readonly TransportAddress[]
}

/** What a peer announces of itself. */
export interface LanSelf {
  readonly peerId: PeerId
  /** By {@link newInstance}. */
  readonly instance: string
  readonly port: number
}

/** A name for one start of one peer. */
export function newInstance(runtime: Runtime): string {
  return toHex(runtime.random.bytes(INSTANCE_BYTES))
}

/** What {@link LanPeers} is made of. */
export interface LanPeersOptions {
  readonly runtime: Runtime
  /** SHA-256 of the SubjectPublicKeyInfo of the network's root, in hex. */
  readonly network: string
  /** Who we are, and the TCP port on which we take connections. Undefined: we only look. */
  readonly self: LanSelf | undefined
}

/** Ours: two questions a second apart, and time for the answers to the second. */
export const LOOK_MS = 1400

/**
 * Peers of the same LAN, found by multicast DNS without any server. What is announced names nobody: a tag that members of
 * the network recognise, addresses and a port. It asks when somebody wants to know, and hears what goes by in between.
 */
export class LanPeers implements AsyncDisposable {
  /** Somebody has come, gone, or moved. */
  onChange: (() => void) | undefined
  readonly #runtime: Runtime
  readonly #network: string
  readonly #machine: MdnsMachine
  readonly #driver: Driver<MdnsInput, MdnsEffect>
  readonly #sockets: LanSockets
  readonly #watcher: NetworkChangeWatcher
  readonly #waiting = new Set<() => void>()
  /** Links by what they are: those that stay as they were keep their number. */
  readonly #numbers = new Map<string, number>()
  #nextNumber = 1
  #linking: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor({ runtime, network, self }: LanPeersOptions) {
    this.#runtime = runtime
    this.#network = network
    const randomBytes = (length: number) => runtime.random.bytes(length)
    const service = self && serviceOf(network, self)
    this.#machine = new MdnsMachine({ service, randomBytes })
    this.#driver = new Driver(this.#machine, runtime.clock, (effect) => this.#perform(effect))
    this.#sockets = new LanSockets(runtime)
    this.#sockets.onPacket = ({ bytes, from }) => this.#driver.feed({ kind: 'received', bytes, from })
    this.#watcher = new NetworkChangeWatcher(runtime, { onChange: () => void this.#relink() })
  }

  /**
   * Opens the sockets and announces us, as long as it is not closed and wherever this host goes. Where the port can't be had,
   * nobody is found and nobody finds us.
   */
  static async open(options: LanPeersOptions): Promise<LanPeers> {
    const peers = new LanPeers(options)
    await peers.#relink()
    await peers.#watcher.start()
    return peers
  }

  /** Whether there is a LAN at all: a card on which we speak. */
  get isOnLan(): boolean {
    return this.#numbers.size > 0
  }

  /** Who was heard and has not gone since, as far as it is known now. */
  peers(): readonly LanPeer[] {
    return this.#machine.services(this.#runtime.clock.nowMs()).map(toPeer)
  }

  /** Asks who is there, and answers after {@link LOOK_MS}. @throws the signal's reason when it fires first */
  async look(signal?: AbortSignal): Promise<readonly LanPeer[]> {
    signal?.throwIfAborted()
    if (this.#isClosed) return []
    this.#driver.feed({ kind: 'look' })
    await this.#until(() => false, signal)
    return this.peers()
  }

  /**
   * A peer as it is heard on this LAN: at once if it was heard, or as soon as it answers; empty when it does not within
   * {@link LOOK_MS}, several when it has started anew, or somebody says so. Whoever answers there has yet to prove that
   * it is the peer.
   * @throws the signal's reason when it fires first
   */
  async find(peerId: PeerId, signal?: AbortSignal): Promise<readonly LanPeer[]> {
    signal?.throwIfAborted()
    const known = this.heard(peerId)
    if (known.length > 0 || this.#isClosed) return known
    this.#driver.feed({ kind: 'look' })
    await this.#until(() => this.heard(peerId).length > 0, signal)
    return this.heard(peerId)
  }

  /** The same, as far as it is known now. */
  heard(peerId: PeerId): readonly LanPeer[] {
    return this.peers().filter(({ tag, instance }) => tag === lanTag(this.#network, peerId, instance))
  }

  /** Takes back what was announced, and gives the port back. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#watcher.close()
      this.#driver.feed({ kind: 'close' })
      this.#driver.stop()
      this.#sockets.close()
      this.#wake()
    }
    await this.#linking
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Resolves when it holds, when {@link LOOK_MS} have passed, or when all is over. */
  #until(isEnough: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.delete(onNews)
      }
      const onNews = () => {
        if (!this.#isClosed && !isEnough()) return
        end()
        resolve()
      }
      const onAbort = () => {
        end()
        reject(signal?.reason)
      }
      const timer: Timer = this.#runtime.clock.setTimer(LOOK_MS, () => {
        end()
        resolve()
      })
      this.#waiting.add(onNews)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #perform(effect: MdnsEffect): void {
    if (effect.kind === 'send') {
      this.#sockets.send(effect.link, effect)
      return
    }
    this.#wake()
    this.onChange?.()
  }

  #wake(): void {
    for (const onNews of [...this.#waiting]) onNews()
  }

  /** One after the other: sockets are closed before they are opened anew. */
  #relink(): Promise<void> {
    return (this.#linking = this.#linking.then(() => this.#link()))
  }

  async #link(): Promise<void> {
    const links = this.#numbered(lanLinks(await readHostNetworks(this.#runtime.network, [])))
    if (this.#isClosed) return
    await this.#sockets.open(links)
    const told = [...links].map(([number, link]) => ({ ...link, number }))
    this.#driver.feed({ kind: 'links', links: told })
  }

  #numbered(links: readonly LanLink[]): ReadonlyMap<number, LanLink> {
    const before = new Map(this.#numbers)
    this.#numbers.clear()
    for (const link of links) {
      const key = JSON.stringify(link)
      this.#numbers.set(key, before.get(key) ?? this.#nextNumber++)
    }
    return new Map(links.map((link) => [this.#numbers.get(JSON.stringify(link)) ?? 0, link]))
  }
}

function serviceOf(network: string, { peerId, instance, port }: LanSelf): LanService {
  return { instance, tag: lanTag(network, peerId, instance), port }
}

function toPeer({ instance, tag, port, ips }: HeardService): LanPeer {
  return { instance, tag, addresses: ips.map((ip) => transportAddress(ip, port, 'tcp')) }
}
