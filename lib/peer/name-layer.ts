import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { Transport } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { causeHint, layerOf } from '../protocol/port-mapping/failure-cause.ts'

/** RFC 5737: packets to it die at the second router, as their TTL says. */
const ANYWHERE = transportAddress('192.0.2.1', 9)
const TRACE = { maxHops: 2, timeoutMs: 1000 } as const

/**
 * Where a gateway maps nothing: looks whether it stands behind a second NAT, which is what many that do refuse for (they
 * answer "no resources", or have no outer address to map). The error says so then.
 */
export async function withLayer(
  error: unknown,
  runtime: Runtime,
  transport: Transport,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const isRefusal =
    ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED') || ReachError.is(error, 'ERR_REACH_NO_GATEWAY')
  if (!isRefusal) return error
  const hops = await runtime.network
    .traceHops(ANYWHERE, { ...TRACE, ...(signal === undefined ? {} : { signal }) })
    .catch(() => undefined) // the refusal alone is an answer, too
  const second = hops?.find(({ ttl, reached }) => ttl === 2 && !reached)?.ip
  const cause = second === undefined ? undefined : layerOf(second)
  if (cause === undefined) return error
  const what =
    cause === 'carrier-nat'
      ? 'belongs to a carrier’s NAT'
      : 'has a private address, so it is probably a second NAT'
  return new ReachError(error.code, `${error.message}; the router behind it, ${second ?? ''}, ${what}`, {
    cause: error,
    hint: causeHint(cause, transport),
    details: { ...error.details, cause, secondHop: second },
  })
}
