import type { Runtime } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { diagnoseUdp } from '../../probe/udp-diagnosis.ts'
import type { UdpDiagnosis } from '../../probe/udp-diagnosis.ts'
import { runSurvey } from '../../probe/udp-survey.ts'
import { behaviorOf } from '../../probe/verdict.ts'
import { BindingLifetimeProbe } from '../../protocol/stun/binding-lifetime-probe.ts'
import { TRANSACTION_ID_LENGTH } from '../../protocol/stun/message.ts'
import type { OwnNetwork } from './direct-tools.ts'

/** Ours: what a first attempt waits for at most. On a clean network the answers are there after some round trips. */
const BUDGET_MS = 2500

/**
 * Ours: bindings that live for the last of these are held by the links' pings, which come every 15 s anyway; longer ones
 * need not be told apart. Field studies found none that lived under 10 s.
 */
const IDLE_TIMES_MS = [7500, 10_000, 15_000, 22_500] as const
const LIFETIME_BUDGET_MS = 28_000
/** Design §6.8. */
const PART_OF_LIFETIME = 2 / 3
/** Ours: more often would cost more than the path is worth. */
const MIN_KEEPALIVE_MS = 5000

interface Measured {
  readonly network: OwnNetwork
  /** A server that answers, for what is asked later; undefined where there is no state that could expire. */
  readonly server: TransportAddress | undefined
}

/** What the NATs in front of this host do to UDP over IPv4, measured when somebody first asks, and anew in another network. */
export class OwnNetworkMeasurement {
  readonly #runtime: Runtime
  readonly #servers: () => Promise<readonly TransportAddress[]>
  readonly #stop = new AbortController()
  #current: Promise<Measured | undefined> | undefined
  #keepalive: Promise<number | undefined> | undefined

  /** @param servers STUN servers over IPv4, the favourite first */
  constructor(runtime: Runtime, servers: () => Promise<readonly TransportAddress[]>) {
    this.#runtime = runtime
    this.#servers = servers
  }

  /** Undefined while no server can be asked. */
  async network(): Promise<OwnNetwork | undefined> {
    return (await this.#measured())?.network
  }

  /**
   * How often something must go out so that bindings live, in ms. It takes half a minute to find out, once. Undefined:
   * it was not found out.
   */
  keepaliveMs(): Promise<number | undefined> {
    return (this.#keepalive ??= this.#measureKeepalive())
  }

  /** What was measured is true no more: this host is in another network. */
  forget(): void {
    this.#current = undefined
    this.#keepalive = undefined
  }

  close(): void {
    this.#stop.abort()
  }

  #measured(): Promise<Measured | undefined> {
    if (this.#current !== undefined) return this.#current
    const current = this.#measure()
    this.#current = current
    // Silence is not kept: the network may just be coming up.
    const forget = () => {
      if (this.#current === current) this.#current = undefined
    }
    void current.then((found) => {
      if (found?.network.nat.udpWorks !== true) forget()
    }, forget)
    return current
  }

  async #measure(): Promise<Measured | undefined> {
    const servers = await this.#servers()
    if (servers.length === 0) return undefined
    const { signal } = this.#stop
    const found = await diagnoseUdp(this.#runtime, { family: 'ipv4', servers, budgetMs: BUDGET_MS, signal })
    const { server, mapping, filtering } = found.discovery
    const hasState = mapping.value !== 'none' || filtering.value !== 'none'
    return { network: summaryOf(found), server: hasState ? server?.primary : undefined }
  }

  async #measureKeepalive(): Promise<number | undefined> {
    const { clock, random } = this.#runtime
    const measured = await this.#measured()
    if (measured === undefined) this.#keepalive = undefined // the next one who asks may find somebody
    const server = measured?.server
    if (server === undefined) return undefined
    const probe = new BindingLifetimeProbe({
      ...{ family: 'ipv4', server, idleTimesMs: IDLE_TIMES_MS, budgetMs: LIFETIME_BUDGET_MS },
      newTransactionId: () => random.bytes(TRANSACTION_ID_LENGTH),
    })
    await runSurvey(this.#runtime, probe, { signal: this.#stop.signal })
    const { value } = probe.lifetimeMs(clock.nowMs())
    return value === 'unknown' ? undefined : Math.max(MIN_KEEPALIVE_MS, value * PART_OF_LIFETIME)
  }
}

function summaryOf({ discovery, boundaryHop }: UdpDiagnosis): OwnNetwork {
  const { publicIps, contacts } = discovery
  const behavior = behaviorOf(discovery)
  const udpWorks = contacts.some(({ answered }) => answered)
  const hop = boundaryHop.value
  return { nat: { behavior, udpWorks, publicIps }, openerTtl: typeof hop === 'number' ? hop + 1 : undefined }
}
