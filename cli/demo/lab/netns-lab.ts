import { ReachError } from '../../../lib/base/errors.ts'
import { parsePrefix } from './address-plan.ts'
import { Gateway, type GatewayOptions } from './gateway.ts'
import { INTERNET_RULES } from './internet-ruleset.ts'
import { LabNode } from './lab-node.ts'
import type { Access } from './link-plan.ts'
import { Namespace, type EtcFiles, type NamespaceOptions } from './namespace.ts'
import { accessSetup, NODE_SETTINGS, Router, ROUTER_SETTINGS } from './router.ts'

export interface LabOptions {
  /** Closes the lab when it fires. */
  readonly signal?: AbortSignal
}

export interface InternetOptions {
  /**
   * The core router's own addresses with the prefixes they serve.
   * @default {@link INTERNET_PREFIXES}
   */
  readonly prefixes?: readonly string[]
}

export interface HostOptions {
  /** The router it hangs on; undefined: a host without any network but its loopback interface. */
  readonly at?: Router
  /** Its addresses, out of the router's prefixes. Default: none. */
  readonly ips?: readonly string[]
  /** Largest packet on its cable. @default 1500 */
  readonly mtu?: number
  /** What its programs read in place of /etc/resolv.conf and /etc/hosts. */
  readonly etc?: EtcFiles
}

/** Documentation prefixes (RFC 5737, RFC 3849) that play the public internet. */
export const INTERNET_PREFIXES = [
  '203.0.113.1/24',
  '198.51.100.1/24',
  '192.0.2.1/24',
  '2001:db8:0:1::1/64',
  '2001:db8:0:2::1/64',
] as const

/**
 * An emulated internet on this machine: hosts, NATs and routers, each a network namespace, joined by cables. No packet
 * leaves it, and nothing of it stays when its driver ends, in whatever way; many labs can run at once.
 *
 * Needs Linux and what {@link labAvailability} checks. Use it from Node's main thread (see {@link Namespace}).
 *
 * ```ts
 * await using lab = await NetnsLab.open()
 * const internet = await lab.internet()
 * const relay = await lab.host('relay', { at: internet, ips: ['203.0.113.2'] })
 * const home = await lab.gateway('home', {
 *   behind: internet, wan: ['203.0.113.50'], lan: ['192.168.1.1/24'],
 *   nat: { mapping: 'endpoint-independent', ports: 'preserving', filtering: 'address-and-port-dependent' },
 * })
 * const alice = await lab.host('alice', { at: home, ips: ['192.168.1.10'] })
 * await alice.exec('ping', ['-c', '1', '203.0.113.2'])
 * ```
 */
export class NetnsLab implements AsyncDisposable {
  readonly #namespaces = new Set<Promise<Namespace>>()
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = () => void this.close()
  #closing: Promise<void> | undefined

  private constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** An empty lab. Rejects with the signal's reason when it has fired already. */
  static open({ signal }: LabOptions = {}): Promise<NetnsLab> {
    return new Promise((resolve) => {
      signal?.throwIfAborted()
      resolve(new NetnsLab(signal))
    })
  }

  /**
   * The core router of a public internet. Packets from or to private addresses are dropped there (RFC 1918, RFC 6598,
   * RFC 4193), as any carrier should.
   * @throws {ReachError} ERR_REACH_LAB, as all that follow
   */
  internet({ prefixes = INTERNET_PREFIXES }: InternetOptions = {}): Promise<Router> {
    return this.#add('internet', { settings: ROUTER_SETTINGS }, async (namespace) => {
      const access: Access = { kind: 'routed', prefixes: prefixes.map(parsePrefix) }
      await namespace.nft(INTERNET_RULES)
      await namespace.ip(accessSetup(access))
      return new Router(namespace, access)
    })
  }

  /** A NAT or firewall. */
  gateway(name: string, options: GatewayOptions): Promise<Gateway> {
    return this.#add(name, { settings: ROUTER_SETTINGS }, (namespace) => Gateway.make(namespace, options))
  }

  /** A host. Its interface is called `eth0`. */
  host(name: string, { at, ips = [], mtu, etc }: HostOptions = {}): Promise<LabNode> {
    const settings = NODE_SETTINGS
    return this.#add(name, etc === undefined ? { settings } : { settings, etc }, async (namespace) => {
      const host = new LabNode(namespace)
      await at?.attach(host, mtu === undefined ? { ips } : { ips, mtu })
      return host
    })
  }

  /** Kills whatever runs in the lab and takes it down. The same promise each time; safe at any moment. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #add<T>(
    name: string,
    options: NamespaceOptions,
    setUp: (namespace: Namespace) => Promise<T>,
  ): Promise<T> {
    this.#signal?.throwIfAborted()
    if (this.#closing !== undefined) throw new ReachError('ERR_REACH_LAB', 'the lab is closed')
    const opening = Namespace.open(name, options)
    this.#namespaces.add(opening)
    try {
      return await setUp(await opening)
    } catch (error) {
      this.#signal?.throwIfAborted() // then it failed because the lab was being taken down
      throw error
    }
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    await Promise.all([...this.#namespaces].map(closeWhenOpen))
  }
}

async function closeWhenOpen(opening: Promise<Namespace>): Promise<void> {
  // One that failed to open has nothing to close, and its caller was told.
  const namespace = await opening.catch(() => undefined)
  await namespace?.close()
}
