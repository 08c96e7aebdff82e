import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Clock } from '../base/runtime.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import type { GatewayMapper } from './gateway-mapper.ts'

/** How one gateway is asked over the best protocol that it speaks. */
export interface ChooseOptions {
  readonly clock: Clock
  /** The best protocol first. */
  readonly mappers: readonly GatewayMapper[]
  /** How long a better protocol may still answer once a worse one has. */
  readonly graceMs: number
  readonly map: (mapper: GatewayMapper) => Promise<MappingGrant>
  readonly signal: AbortSignal | undefined
}

interface Candidate {
  readonly mapper: GatewayMapper
  readonly settled: Promise<void>
  outcome: 'looking' | 'ready' | { readonly error: unknown }
}

/**
 * Looks for all protocols at once, which changes nothing at the gateway, and then asks for the mapping over one: the best
 * that is there, and the next best when it is refused. Asking over several at once would not do: most routers answer all
 * of them out of one table, so what one protocol's mapping removes is the other's.
 * @throws the most telling failure: a refusal rather than silence
 */
export async function mapOverBest(options: ChooseOptions): Promise<MappingGrant> {
  const { mappers, signal } = options
  const decided = new AbortController()
  const looking = AbortSignal.any([decided.signal, ...(signal === undefined ? [] : [signal])])
  const candidates = mappers.map((mapper) => candidateOf(mapper, looking))
  try {
    return await firstGranted(candidates, options)
  } finally {
    decided.abort() // nobody looks any further
  }
}

async function firstGranted(candidates: Candidate[], options: ChooseOptions): Promise<MappingGrant> {
  const { map, signal } = options
  const failures: unknown[] = []
  for (;;) {
    const chosen = await choose(candidates, options)
    if (chosen === undefined) break
    candidates.splice(candidates.indexOf(chosen), 1)
    try {
      return await map(chosen.mapper)
    } catch (error) {
      signal?.throwIfAborted()
      failures.push(error)
    }
  }
  signal?.throwIfAborted()
  for (const { outcome } of candidates) if (typeof outcome === 'object') failures.push(outcome.error)
  throw mostTelling(failures)
}

/** Of several failures: what somebody said, rather than that nobody said anything. What is no ReachError is a mistake. */
export function mostTelling(failures: readonly unknown[]): unknown {
  return (
    failures.find((error) => !ReachError.is(error)) ??
    failures.find((error) => ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED')) ??
    failures[0] ??
    new ReachError('ERR_REACH_NO_GATEWAY', 'there is no protocol to ask the gateway in')
  )
}

function candidateOf(mapper: GatewayMapper, signal: AbortSignal): Candidate {
  const candidate: Candidate = {
    mapper,
    outcome: 'looking',
    settled: mapper.prepare(signal).then(
      () => {
        candidate.outcome = 'ready'
      },
      (error: unknown) => {
        candidate.outcome = { error }
      },
    ),
  }
  return candidate
}

/** The best that is there; waits for a better one, but not for long. Undefined when none is left. */
async function choose(
  candidates: readonly Candidate[],
  { clock, graceMs, signal }: ChooseOptions,
): Promise<Candidate | undefined> {
  const isOpen = ({ outcome }: Candidate) => outcome === 'looking' || outcome === 'ready'
  using grace = new Grace(clock, graceMs)
  for (;;) {
    signal?.throwIfAborted()
    const open = candidates.filter(isOpen)
    const best = open.find(({ outcome }) => outcome === 'ready')
    if (best === undefined && open.length === 0) return undefined
    if (best !== undefined && (best === open[0] || grace.isOver)) return best
    const looking = open.filter(({ outcome }) => outcome === 'looking').map(({ settled }) => settled)
    await Promise.race(best === undefined ? looking : [...looking, grace.end()])
  }
}

/** A pause that begins when it is first waited for. */
class Grace implements Disposable {
  isOver = false
  readonly #clock: Clock
  readonly #lengthMs: number
  readonly #stop = new AbortController()
  #end: Promise<void> | undefined

  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock
    this.#lengthMs = lengthMs
  }

  end(): Promise<void> {
    return (this.#end ??= delay(this.#clock, this.#lengthMs, this.#stop.signal).then(
      () => {
        this.isOver = true
      },
      () => undefined, // nobody waits any more
    ))
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }
}
