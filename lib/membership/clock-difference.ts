import { ReachError } from '../base/errors.ts'
import { formatSpan } from '../base/span.ts'
import type { Certificate } from '../identity/certificate/certificate.ts'
import { decideTrust } from '../identity/trust/decide-trust.ts'
import type { TrustPolicy } from '../identity/trust/trust-policy.ts'

/**
 * Makes sure that a relay is one of the network. When its certificate does not hold at our time but at the relay's own,
 * one of the clocks is wrong, and the error says by how much.
 * @throws {ReachError} ERR_REACH_CLOCK, ERR_REACH_TRUST_…
 */
export function checkRelay(
  chain: readonly Certificate[],
  policy: TrustPolicy,
  nowMs: number,
  relayTimeMs: number | undefined,
): void {
  const decision = decideTrust(chain, policy, nowMs)
  if (decision.kind === 'trusted') return
  const isDate =
    decision.code === 'ERR_REACH_TRUST_EXPIRED' || decision.code === 'ERR_REACH_TRUST_NOT_YET_VALID'
  if (isDate && relayTimeMs !== undefined && decideTrust(chain, policy, relayTimeMs).kind === 'trusted') {
    throw clockError(nowMs, relayTimeMs)
  }
  throw new ReachError(decision.code, `the relay is not trusted: ${decision.message}`, {
    details: { by: 'us' },
  })
}

/** ERR_REACH_CLOCK for a clock that is that far off. */
export function clockError(nowMs: number, relayTimeMs: number): ReachError {
  const skewMs = nowMs - relayTimeMs
  const side = skewMs < 0 ? 'behind' : 'ahead of'
  return new ReachError(
    'ERR_REACH_CLOCK',
    `this computer’s clock is ${formatSpan(Math.abs(skewMs))} ${side} the relay’s`,
    {
      hint: 'set the clock (on Linux:  timedatectl set-ntp true), then try again',
      details: { skewMs },
    },
  )
}
