import { setMaxListeners } from 'node:events'
import { delay } from '../base/deadline.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { Backoff } from '../membership/backoff.ts'
import type { MembershipEvent } from '../membership/membership-event.ts'
import { isHopeless } from '../membership/keep-membership.ts'
import type { ControlLink, Membership } from '../membership/membership.ts'
import { takePushes } from '../membership/take-pushes.ts'
import { RelayClient } from '../relay/relay-client.ts'
import type { Incoming } from '../relay/relay-client.ts'
import type { PeerNetwork } from '../protocol/ice/pair-prediction.ts'
import { WayImprover } from './way-improver.ts'

/** What a link to a relay tells. */
export interface RelayLinkEvents {
  onUp(link: RelayLink): void
  onDown(link: RelayLink, error: ReachError, retryInMs: number): void
  /** Waiting can't mend it: revoked, or too late to renew. */
  onHopeless(error: ReachError): void
  onSuperseded(link: RelayLink): void
  /** The relay is about to end, and hopes to be back after `backInMs`. What goes over it should go elsewhere. */
  onRestarting(link: RelayLink, backInMs: number): void
  /** The relay is connected over a better way than before. */
  onImproved(link: RelayLink): void
  onIncoming(link: RelayLink, incoming: Incoming): void
  onMembership(event: MembershipEvent): void
  /** The network has other roots: our certificate should follow. */
  onRoots(): void
}

/** What a link to a relay is made of. */
export interface RelayLinkSetup {
  readonly membership: Membership
  readonly runtime: Runtime
  /** HOST:PORT. */
  readonly relay: string
  readonly events: RelayLinkEvents
}

/** Ours: while somebody waits for the relay, we knock at least this often. */
const HURRIED_MS = 500
/** Ours: what goes on over a connection that was replaced may take as long as the dial of a path does. */
const RETIRE_MS = 15_000

/** Keeps one relay connected: dials again when the connection is gone, with more patience each time. */
export class RelayLink {
  readonly relay: string
  readonly #setup: RelayLinkSetup
  readonly #stop = new AbortController()
  #client: RelayClient | undefined
  #control: ControlLink | undefined
  #isRegistering = false
  /** The relay that is connected has said that it is about to end. */
  #isRestarting = false
  /** What others may know of our network. */
  #network: PeerNetwork | undefined
  #hurry: (() => void) | undefined
  #hurriedUntilMs = 0
  #lastError: ReachError | undefined
  readonly #improver: WayImprover
  /** Takes over from the current connection. */
  #replace: ((better: ControlLink) => void) | undefined
  /** Connections that were replaced, for as long as something may come over them. */
  readonly #retired = new Set<ControlLink>()

  constructor(setup: RelayLinkSetup) {
    this.#setup = setup
    this.relay = setup.relay
    setMaxListeners(0, this.#stop.signal)
    const { membership, runtime, relay } = setup
    this.#improver = new WayImprover({
      ...{ membership, runtime, relay, signal: this.#stop.signal },
      current: () => this.#control,
      onBetter: (better) => this.#replace?.(better),
    })
    void this.#run()
  }

  /** The relay, while it is connected. */
  get client(): RelayClient | undefined {
    return this.#client
  }

  /** The relay is connected, and about to end: it makes no paths any more. */
  get isRestarting(): boolean {
    return this.#isRestarting
  }

  /** How the relay is reached, while it is connected. */
  get way(): string | undefined {
    return this.#control?.client.via.way
  }

  /** Who ends TLS in between, if anybody does. */
  get interceptedBy(): string | undefined {
    return this.#control?.interceptedBy
  }

  /** Why it is not connected, if it was tried. */
  get lastError(): ReachError | undefined {
    return this.#lastError
  }

  /** From the next connection on, tells the relay that we take sessions. */
  wantRegistration(): void {
    this.#isRegistering = true
  }

  /** Tells the relay now. Harmless when repeated. */
  async register(signal?: AbortSignal): Promise<void> {
    this.#isRegistering = true
    await this.#client?.register(signal, this.#network)
  }

  /** Tells the relay, now and when it comes back, what others may know of our network: if it knows that we take sessions. */
  tellNetwork(network: PeerNetwork): void {
    this.#network = network
    if (!this.#isRegistering) return
    // Who is told nothing expects nothing; a connection that is gone registers anew.
    this.#client?.register(this.#stop.signal, network).catch(() => undefined)
  }

  /** Somebody needs the relay: for the next seconds, waits between attempts are short. */
  hurry(): void {
    this.#hurriedUntilMs = this.#setup.runtime.clock.nowMs() + 10_000
    this.#hurry?.()
  }

  /** A path over it fell silent: the connection is dead, too, unless the relay answers at once. */
  probe(): void {
    this.#control?.client.probe()
  }

  /** The network of this host has changed: what is connected may be dead, and a better way may work. */
  networkChanged(): void {
    this.probe()
    this.hurry()
    void this.#improver.look()
  }

  close(): void {
    this.#stop.abort(new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
    for (const { client } of this.#retired) client.close()
    this.#control?.client.close()
    this.#improver.stop()
  }

  async #run(): Promise<void> {
    const { runtime, events } = this.#setup
    const { signal } = this.#stop
    const backoff = new Backoff(runtime)
    while (!signal.aborted) {
      backoff.begin()
      const error = await this.#once()
      this.#improver.stop()
      this.#replace = undefined
      this.#client = undefined
      this.#control = undefined
      this.#isRestarting = false
      this.#lastError = error
      if (this.#isStopped()) return
      if (isHopeless(error)) {
        events.onHopeless(error)
        return
      }
      await this.#pause(error, backoff.over())
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  async #pause(error: ReachError, backoffMs: number): Promise<void> {
    const { runtime, events } = this.#setup
    const isHurried = runtime.clock.nowMs() < this.#hurriedUntilMs
    const retryInMs = isHurried ? Math.min(backoffMs, HURRIED_MS) : backoffMs
    events.onDown(this, error, retryInMs)
    const woken = new AbortController()
    const onStop = () => woken.abort()
    this.#stop.signal.addEventListener('abort', onStop, { once: true })
    this.#hurry = () => {
      if (retryInMs > HURRIED_MS) woken.abort()
    }
    await delay(runtime.clock, retryInMs, woken.signal).catch(() => undefined)
    this.#hurry = undefined
    this.#stop.signal.removeEventListener('abort', onStop)
  }

  /** One connection and those that replace it, from its start to its end; answers why it ended. */
  async #once(): Promise<ReachError> {
    const { membership, relay, events } = this.#setup
    const { signal } = this.#stop
    let control: ControlLink | undefined
    try {
      control = await membership.connectTo(relay, signal)
      if (control.welcome.mustRenew) {
        control.client.close()
        await membership.renew(signal)
        events.onMembership({ kind: 'renewed', notAfterMs: membership.certificate.notAfterMs })
        control = await membership.connectTo(relay, signal)
      }
      await this.#serve(control)
      this.#improver.start()
      events.onUp(this)
      for (;;) {
        const next = await this.#untilOver(control)
        if (ReachError.is(next)) return next
        control = await this.#switch(control, next)
      }
    } catch (error) {
      return ReachError.is(error)
        ? error
        : new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'failed', { cause: error })
    } finally {
      control?.client.close()
    }
  }

  /** Why a connection ended, or the one that is to replace it. */
  #untilOver({ client }: ControlLink): Promise<ReachError | ControlLink> {
    return new Promise((resolve) => {
      this.#replace = resolve
      void client.closed.then(resolve)
    })
  }

  /** The new one is in use before the old one goes; answers the one that is in use then. */
  async #switch(old: ControlLink, better: ControlLink): Promise<ControlLink> {
    const before = this.#client
    if (before !== undefined) before.onSuperseded = undefined // by ourselves
    try {
      await this.#serve(better)
    } catch {
      better.client.close() // what we have still works, unless the relay took the other one for the newer
      if (this.#isRegistering) await before?.register(this.#stop.signal, this.#network)
      if (before !== undefined) before.onSuperseded = this.#onSuperseded
      return old
    }
    this.#retire(old)
    this.#improver.start()
    this.#setup.events.onImproved(this)
    return better
  }

  /** What the relay has sent over it still counts, and what was asked there is still answered. */
  #retire(old: ControlLink): void {
    this.#retired.add(old)
    const timer = this.#setup.runtime.clock.setTimer(RETIRE_MS, () => old.client.close())
    void old.client.closed.then(() => {
      timer.cancel()
      this.#retired.delete(old)
    })
  }

  async #serve(control: ControlLink): Promise<void> {
    const { membership, runtime, relay, events } = this.#setup
    takePushes(membership, control.client, {
      onEvent: (event) => events.onMembership(event),
      onRoots: () => events.onRoots(),
    })
    control.client.keepAlive()
    const client = new RelayClient({ channel: control.client, runtime, relay: parseEndpoint(relay) })
    client.onIncoming = (incoming) => events.onIncoming(this, incoming)
    client.onSuperseded = this.#onSuperseded
    client.onRestarting = this.#onRestarting
    if (this.#isRegistering) await client.register(this.#stop.signal, this.#network)
    this.#control = control
    this.#client = client
    this.#lastError = undefined
  }

  readonly #onRestarting = (backInMs: number): void => {
    if (this.#isRestarting) return // it says so again when it ends
    this.#isRestarting = true
    this.#setup.events.onRestarting(this, backInMs)
  }

  readonly #onSuperseded = (): void => {
    this.#isRegistering = false
    this.#setup.events.onSuperseded(this)
  }
}
