import type { Certificate } from './certificate/certificate.ts'

/** As step-ca and Let's Encrypt's clients do: when two thirds of the life are over. */
const RENEW_AT = 2 / 3
/** Ours: spread over a tenth of the life, so that members that joined together don't come together. */
const JITTER = 1 / 10

/**
 * When a certificate should be renewed, in calendar milliseconds: at two thirds of its life, up to a twentieth of it
 * earlier or later by chance.
 * @param chance two random bytes
 */
export function renewalDueMs(
  { notBeforeMs, notAfterMs }: Pick<Certificate, 'notBeforeMs' | 'notAfterMs'>,
  chance: Uint8Array,
): number {
  const lifeMs = notAfterMs - notBeforeMs
  const [high = 0, low = 0] = chance
  const draw = (high * 256 + low) / 65_535 - 0.5
  return notBeforeMs + lifeMs * (RENEW_AT + draw * JITTER)
}
