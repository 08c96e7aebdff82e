import { ipScope } from '../../base/ip-range.ts'
import type { Runtime } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { transportAddress } from '../../base/transport-address.ts'
import type { HostAddress } from '../../gather/host-addresses.ts'
import { hostAddresses } from '../../gather/host-addresses.ts'
import { maySendTo } from '../../gather/may-send-to.ts'
import { Expectations } from '../../proof/proof-listener.ts'
import { RecipeMemory } from '../../protocol/punch/recipe-memory.ts'
import { StormBudget } from '../../protocol/punch/storm-budget.ts'
import { DirectPort } from '../../punch/direct-port.ts'
import { TcpListener } from '../../punch/tcp-listener.ts'
import type { RelayClient } from '../../relay/relay-client.ts'
import type { OpenLease } from '../map-port.ts'
import type { DirectTools, ForwardedPort, OwnNetwork } from './direct-tools.ts'
import type { PortToForward } from './forwarded-ports.ts'
import { ForwardedPorts } from './forwarded-ports.ts'
import { OwnNetworkMeasurement } from './own-network.ts'

/** What the resources of direct paths are made of. */
export interface DirectResourcesSetup {
  readonly runtime: Runtime
  /** Those that are connected now. */
  readonly relays: () => readonly RelayClient[]
  readonly openLease: OpenLease
  /** It was found out how often something must be said over UDP. */
  readonly onKeepalive: (keepaliveMs: number) => void
}

const FAMILIES = ['ipv4', 'ipv6'] as const

/** What all searches of a peer share: sockets, the measurement of our network, forwarded ports. Opened at the first use. */
export class DirectResources implements DirectTools, AsyncDisposable {
  readonly runtime: Runtime
  readonly storms = new StormBudget()
  readonly memory = new RecipeMemory()
  readonly #relays: () => readonly RelayClient[]
  readonly #measurement: OwnNetworkMeasurement
  readonly #forwarded: ForwardedPorts
  #ports: Promise<readonly DirectPort[]> | undefined
  #listeners: Promise<readonly TcpListener[]> | undefined
  #ownPublicIps: readonly string[] = []
  /** Where packets to the internet leave from. */
  #sources: readonly string[] = []
  readonly #onKeepalive: (keepaliveMs: number) => void
  #keepaliveMs: number | undefined
  #isClosed = false

  constructor({ runtime, relays, openLease, onKeepalive }: DirectResourcesSetup) {
    this.runtime = runtime
    this.#relays = relays
    this.#onKeepalive = onKeepalive
    this.#forwarded = new ForwardedPorts({ runtime, relays, openLease })
    this.#measurement = new OwnNetworkMeasurement(runtime, async () =>
      (await this.stunServers()).filter(({ family }) => family === 'ipv4'),
    )
  }

  ports(): Promise<readonly DirectPort[]> {
    return (this.#ports ??= openEach((family) => DirectPort.open(this.runtime, family)))
  }

  listeners(): Promise<readonly TcpListener[]> {
    return (this.#listeners ??= openEach((family) => TcpListener.open(this.runtime, family)))
  }

  async hostAddresses(): Promise<readonly HostAddress[]> {
    const { network } = this.runtime
    const [ipv4, ipv6] = await Promise.all([
      network.sourceIpTowards(SOMEWHERE.ipv4),
      network.sourceIpTowards(SOMEWHERE.ipv6),
    ])
    this.#sources = [ipv4, ipv6].flatMap((ip) => ip ?? [])
    return hostAddresses(network.interfaces(), { ipv4, ipv6 })
  }

  async network(): Promise<OwnNetwork | undefined> {
    const found = await this.#measurement.network()
    this.#ownPublicIps = found?.nat.publicIps ?? this.#ownPublicIps
    return found
  }

  udpKeepaliveMs(): number | undefined {
    void this.#learnKeepalive()
    return this.#keepaliveMs
  }

  async stunServers(): Promise<readonly TransportAddress[]> {
    return (await Promise.all(this.#relays().map((relay) => relay.stunServers()))).flat()
  }

  tcpStunServers(): readonly TransportAddress[] {
    return this.#relays().flatMap(({ address }) => address ?? [])
  }

  wantForwarded(): void {
    if (!this.#isTranslated()) return
    void this.#portsToForward().then((ports) => {
      if (!this.#isClosed) this.#forwarded.want(ports)
    })
  }

  watchForwarded(onForwarded: (port: ForwardedPort) => void, signal: AbortSignal): void {
    this.#forwarded.watch(onForwarded, signal)
  }

  maySendTo(address: TransportAddress, theirPublicIps: readonly string[]): boolean {
    const interfaces = this.runtime.network.interfaces()
    const [sources, ownPublicIps] = [this.#sources, this.#ownPublicIps]
    return maySendTo(address, { interfaces, sources, ownPublicIps, theirPublicIps })
  }

  /** This host is in another network: what was measured is true no more. */
  networkChanged(): void {
    this.#measurement.forget()
    this.#keepaliveMs = undefined
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#measurement.close()
    this.#forwarded.close()
    for (const port of (await this.#ports) ?? []) port.close()
    await Promise.all(((await this.#listeners) ?? []).map((listener) => listener.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #learnKeepalive(): Promise<void> {
    const keepaliveMs = await this.#measurement.keepaliveMs()
    if (keepaliveMs === undefined || keepaliveMs === this.#keepaliveMs || this.#isClosed) return
    this.#keepaliveMs = keepaliveMs
    this.#onKeepalive(keepaliveMs)
  }

  /** A relay sees us under an address that is none of ours. Without a NAT in between, no gateway has a port to forward. */
  #isTranslated(): boolean {
    const ours = this.runtime.network.interfaces().flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
    return this.#relays().some(({ seenAs }) => {
      return seenAs !== undefined && ipScope(seenAs) !== 'loopback' && !ours.includes(seenAs)
    })
  }

  /** Over IPv4: a firewall for IPv6 is opened by what leaves, from both sides. */
  async #portsToForward(): Promise<readonly PortToForward[]> {
    const udp = (await this.ports()).filter(({ local }) => local.family === 'ipv4')
    const tcp = (await this.listeners()).filter(({ local }) => local.family === 'ipv4')
    return [
      ...udp.map((port) => ({ transport: 'udp', port: port.local.port, ears: earsOf(port) }) as const),
      ...tcp.map(({ local }) => ({ transport: 'tcp', port: local.port }) as const),
    ]
  }
}

/** RFC 5737 and RFC 3849: addresses that are routed as any other, and that nothing is sent to. */
const SOMEWHERE = {
  ipv4: transportAddress('192.0.2.1', 9),
  ipv6: transportAddress('2001:db8::1', 9),
}

/** Of each family; what this system can't open is left out. */
async function openEach<T>(
  open: (family: (typeof FAMILIES)[number]) => Promise<T | undefined>,
): Promise<readonly T[]> {
  const opened = await Promise.all(FAMILIES.map((family) => open(family).catch(() => undefined)))
  return opened.filter((one) => one !== undefined)
}

/** Hears a relay's proof at the port that ICE uses. */
function earsOf(port: DirectPort): Expectations {
  const ears = new Expectations()
  port.onOther = ({ bytes }) => ears.hear(bytes)
  return ears
}
