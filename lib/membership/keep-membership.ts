import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { Backoff } from './backoff.ts'
import { holdMemberHome } from './hold-home.ts'
import type { MembershipEvent } from './membership-event.ts'
import type { ControlLink, Membership } from './membership.ts'
import { Renewal } from './renewal.ts'
import { takePushes } from './take-pushes.ts'

/** How a membership is kept. */
export interface KeepMembershipOptions {
  readonly runtime: Runtime
  readonly onEvent?: (event: MembershipEvent) => void
  /** Ends it. */
  readonly signal: AbortSignal
  /** Of a relay: where others reach it, as HOST:PORT. */
  readonly addresses?: readonly string[]
}

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
    const backoff = new Backoff(runtime)
    for (;;) {
      signal.throwIfAborted()
      backoff.begin()
      const error = await stayConnected(membership, options)
      signal.throwIfAborted()
      if (isHopeless(error)) throw error
      const retryInMs = backoff.over()
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
  const renewal = new Renewal(membership, options, () => membership.renewOn(client, signal))
  takePushes(membership, client, { onEvent, onRoots: () => renewal.now() }) // the chain may lead elsewhere by now
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

/** True for what waiting and trying again can't mend. */
export function isHopeless(error: ReachError): boolean {
  const codes = [
    'ERR_REACH_TRUST_REVOKED',
    'ERR_REACH_RENEWAL_TOO_LATE',
    'ERR_REACH_PEER_UNKNOWN',
    'ERR_REACH_FILE',
  ] as const
  return codes.some((code) => ReachError.is(error, code)) && error.details['by'] !== 'us'
}
