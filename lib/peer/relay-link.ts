import { setMaxListeners } from 'node:events'
import { delay } from '../base/deadline.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { fullJitterMs } from '../membership/backoff.ts'
import type { MembershipEvent } from '../membership/membership-event.ts'
import { isHopeless } from '../membership/keep-membership.ts'
import type { ControlLink, Membership } from '../membership/membership.ts'
import { takePushes } from '../membership/take-pushes.ts'
import { RelayClient } from '../relay/relay-client.ts'
import type { Incoming } from '../relay/relay-client.ts'

/** What a link to a relay tells. */
export interface RelayLinkEvents {
  onUp(link: RelayLink): void
  onDown(link: RelayLink, error: ReachError, retryInMs: number): void
  /** Waiting can't mend it: revoked, or too late to renew. */
  onHopeless(error: ReachError): void
  onSuperseded(link: RelayLink): void
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

/** Ours: a connection that held this long was a good one: the next failure starts at the shortest wait. */
const STABLE_MS = 60_000
/** Ours: while somebody waits for the relay, we knock at least this often. */
const HURRIED_MS = 500

/** Keeps one relay connected: dials again when the connection is gone, with more patience each time. */
export class RelayLink {
  readonly relay: string
  readonly #setup: RelayLinkSetup
  readonly #stop = new AbortController()
  #client: RelayClient | undefined
  #control: ControlLink | undefined
  #isRegistering = false
  #hurry: (() => void) | undefined
  #hurriedUntilMs = 0
  #lastError: ReachError | undefined

  constructor(setup: RelayLinkSetup) {
    this.#setup = setup
    this.relay = setup.relay
    setMaxListeners(0, this.#stop.signal)
    void this.#run()
  }

  /** The relay, while it is connected. */
  get client(): RelayClient | undefined {
    return this.#client
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
    await this.#client?.register(signal)
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

  close(): void {
    this.#stop.abort(new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
    this.#control?.client.close()
  }

  async #run(): Promise<void> {
    const { runtime, events } = this.#setup
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      const startMs = runtime.clock.nowMs()
      const error = await this.#once()
      this.#client = undefined
      this.#control = undefined
      this.#lastError = error
      if (this.#isStopped()) return
      if (isHopeless(error)) {
        events.onHopeless(error)
        return
      }
      failures = runtime.clock.nowMs() - startMs > STABLE_MS ? 1 : failures + 1
      await this.#pause(error, fullJitterMs(failures, runtime.random.bytes(4)))
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

  /** One connection, from its start to its end; answers why it ended. */
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
      return await control.client.closed
    } catch (error) {
      return ReachError.is(error)
        ? error
        : new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'failed', { cause: error })
    } finally {
      control?.client.close()
    }
  }

  async #serve(control: ControlLink): Promise<void> {
    const { membership, runtime, relay, events } = this.#setup
    this.#control = control
    takePushes(membership, control.client, {
      onEvent: (event) => events.onMembership(event),
      onRoots: () => events.onRoots(),
    })
    control.client.keepAlive()
    const client = new RelayClient({ channel: control.client, runtime, relay: parseEndpoint(relay) })
    client.onIncoming = (incoming) => events.onIncoming(this, incoming)
    client.onSuperseded = () => {
      this.#isRegistering = false
      events.onSuperseded(this)
    }
    if (this.#isRegistering) await client.register(this.#stop.signal)
    this.#client = client
    this.#lastError = undefined
    events.onUp(this)
  }
}
