import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import { renewalDueMs } from '../identity/renewal-time.ts'
import { fullJitterMs } from './backoff.ts'
import { holdMemberHome } from './hold-home.ts'
import type { ControlLink, Membership } from './membership.ts'

/** News of a membership that is kept. */
export type MembershipEvent =
  | { readonly kind: 'connected'; readonly relay: string }
  | { readonly kind: 'disconnected'; readonly error: ReachError; readonly retryInMs: number }
  | { readonly kind: 'renewed'; readonly notAfterMs: number }
  | { readonly kind: 'renewal-failed'; readonly error: ReachError }
  | { readonly kind: 'deny-list'; readonly number: number; readonly keys: number }
  | { readonly kind: 'root-set'; readonly number: number; readonly roots: number }

/** How a membership is kept. */
export interface KeepMembershipOptions {
  readonly runtime: Runtime
  readonly onEvent?: (event: MembershipEvent) => void
  /** Ends it. */
  readonly signal: AbortSignal
  /** Of a relay: where others reach it, as HOST:PORT. */
  readonly addresses?: readonly string[]
}

/** Ours: a sleeping computer's timers stand still, so the calendar is looked at this often. */
const MAX_SLEEP_MS = 60_000
/** Ours: a renewal that failed is tried again this often; a third of a day's life leaves time. */
const RENEWAL_RETRY_MS = 60_000
/** Ours: a connection that held this long was a good one: the next failure starts at the shortest wait. */
const STABLE_MS = 60_000

/**
 * Keeps a membership alive until the signal fires: renews the certificate in time, and stays connected to a relay so
 * that what the network revokes counts here within a moment. Only one process does so for a home folder.
 * @throws {ReachError} ERR_REACH_HOME_IN_USE; ERR_REACH_TRUST_REVOKED and ERR_REACH_RENEWAL_TOO_LATE, which waiting
 * can't mend
 * @throws the signal's reason
 */
export async function keepMembership(membership: Membership, options: KeepMembershipOptions): Promise<never> {
  const { runtime, signal } = options
  const lock = await holdMemberHome(membership.home)
  try {
    let failures = 0
    for (;;) {
      signal.throwIfAborted()
      const startMs = runtime.clock.nowMs()
      const error = await stayConnected(membership, options)
      signal.throwIfAborted()
      if (isHopeless(error)) throw error
      failures = runtime.clock.nowMs() - startMs > STABLE_MS ? 0 : failures + 1
      const retryInMs = fullJitterMs(failures, runtime.random.bytes(4))
      options.onEvent?.({ kind: 'disconnected', error, retryInMs })
      await delay(runtime.clock, retryInMs, signal)
    }
  } finally {
    await lock.close()
  }
}

/** One connection, from its start to its end; answers why it ended. */
async function stayConnected(membership: Membership, options: KeepMembershipOptions): Promise<ReachError> {
  let link: ControlLink | undefined
  try {
    link = await membership.connect(options.signal, options.addresses)
    options.onEvent?.({ kind: 'connected', relay: link.relay })
    if (link.welcome.mustRenew) {
      await membership.renewOn(link.client, options.signal)
      options.onEvent?.({ kind: 'renewed', notAfterMs: membership.certificate.notAfterMs })
      link.client.close()
      link = await membership.connect(options.signal, options.addresses)
    }
    return await serve(membership, link, options)
  } catch (error) {
    if (ReachError.is(error)) return error
    throw error
  } finally {
    link?.client.close()
  }
}

async function serve(
  membership: Membership,
  { client }: ControlLink,
  options: KeepMembershipOptions,
): Promise<ReachError> {
  const { signal, onEvent } = options
  client.onPush = (reply) => {
    membership.takePush(reply).then(
      (isNews) => {
        if (!isNews) return
        client.tell({ type: 'report', ...membership.report })
        if (reply.type === 'root-set') renewal.now() // the chain may lead elsewhere by now
        onEvent?.(newsOf(membership, reply.type === 'root-set'))
      },
      (error: unknown) => {
        // A relay may lag behind another: what it says is no news. A full disk: another connection, another try.
        if (!ReachError.is(error, 'ERR_REACH_STATEMENT')) client.close()
      },
    )
  }
  const renewal = new Renewal(membership, options, () => membership.renewOn(client, signal))
  const onAbort = () => client.close()
  signal.addEventListener('abort', onAbort, { once: true })
  client.keepAlive()
  try {
    return await client.closed
  } finally {
    renewal.stop()
    signal.removeEventListener('abort', onAbort)
  }
}

function newsOf(membership: Membership, isRoots: boolean): MembershipEvent {
  const { rootSet, denyList } = membership.trust
  if (isRoots) return { kind: 'root-set', number: rootSet.number, roots: rootSet.roots.length }
  return { kind: 'deny-list', number: denyList?.number ?? 0, keys: denyList?.keys.length ?? 0 }
}

/** Renews when it is due, by the calendar. */
class Renewal {
  readonly #membership: Membership
  readonly #options: KeepMembershipOptions
  readonly #renew: () => Promise<void>
  #dueMs: number
  #timer: Timer | undefined
  #isStopped = false

  constructor(membership: Membership, options: KeepMembershipOptions, renew: () => Promise<void>) {
    this.#membership = membership
    this.#options = options
    this.#renew = renew
    this.#dueMs = this.#nextDueMs()
    this.#sleep()
  }

  now(): void {
    this.#dueMs = this.#options.runtime.clock.wallMs()
    this.#sleep()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #nextDueMs(): number {
    return renewalDueMs(this.#membership.certificate, this.#options.runtime.random.bytes(2))
  }

  #sleep(): void {
    this.#timer?.cancel()
    if (this.#isStopped) return
    const { clock } = this.#options.runtime
    const waitMs = Math.min(MAX_SLEEP_MS, Math.max(0, this.#dueMs - clock.wallMs()))
    this.#timer = clock.setTimer(waitMs, () => {
      if (clock.wallMs() < this.#dueMs) this.#sleep()
      else void this.#attempt()
    })
  }

  async #attempt(): Promise<void> {
    const { onEvent, runtime } = this.#options
    try {
      await this.#renew()
      this.#dueMs = this.#nextDueMs()
      onEvent?.({ kind: 'renewed', notAfterMs: this.#membership.certificate.notAfterMs })
    } catch (error) {
      if (this.#isStopped) return
      this.#dueMs = runtime.clock.wallMs() + RENEWAL_RETRY_MS
      if (ReachError.is(error)) onEvent?.({ kind: 'renewal-failed', error })
    }
    this.#sleep()
  }
}

function isHopeless(error: ReachError): boolean {
  const codes = [
    'ERR_REACH_TRUST_REVOKED',
    'ERR_REACH_RENEWAL_TOO_LATE',
    'ERR_REACH_PEER_UNKNOWN',
    'ERR_REACH_FILE',
  ] as const
  return codes.some((code) => ReachError.is(error, code)) && error.details['by'] !== 'us'
}
