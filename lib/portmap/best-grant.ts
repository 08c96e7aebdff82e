import { delay } from '../base/deadline.ts'
import type { Clock } from '../base/runtime.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import { mostTelling } from './choose-mapper.ts'
import { rank } from './gateway-mappers.ts'

/** How several gateways are raced. */
export interface BestGrantOptions {
  readonly clock: Clock
  /** How long a better one may still come once the first has. */
  readonly graceMs: number
  /** Called with each grant that is not the best, also when it comes late. */
  readonly onLoser: (grant: MappingGrant) => void
}

/** The best of what gateways grant: by protocol, then by the gateways' order. @throws the most telling failure */
export async function bestGrant(
  attempts: readonly Promise<MappingGrant>[],
  { clock, graceMs, onLoser }: BestGrantOptions,
): Promise<MappingGrant> {
  const failures: unknown[] = []
  const grants: { readonly grant: MappingGrant; readonly order: number }[] = []
  let isDecided = false
  const settled = attempts.map((attempt, order) =>
    attempt.then(
      (grant) => {
        if (isDecided) onLoser(grant)
        else grants.push({ grant, order })
      },
      (error: unknown) => {
        failures.push(error)
      },
    ),
  )
  const stop = new AbortController()
  await Promise.race([Promise.all(settled), graceAfterFirst(attempts, clock, graceMs, stop.signal)])
  stop.abort()
  isDecided = true
  const [best, ...losers] = grants.toSorted((a, b) => rank(a.grant) - rank(b.grant) || a.order - b.order)
  for (const { grant } of losers) onLoser(grant)
  if (best === undefined) throw mostTelling(failures)
  return best.grant
}

/** Never over when there is none. */
function graceAfterFirst(
  attempts: readonly Promise<MappingGrant>[],
  clock: Clock,
  graceMs: number,
  stop: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const begin = () => {
      delay(clock, graceMs, stop).then(resolve, () => undefined)
    }
    for (const attempt of attempts) attempt.then(begin, () => undefined)
  })
}
