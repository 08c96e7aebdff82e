import type { Endpoint } from '../../base/endpoint.ts'
import { ReachError } from '../../base/errors.ts'
import type { ResolveOutcome, Runtime } from '../../base/runtime.ts'
import { attempt } from './attempt.ts'

/** An endpoint that a person named, and where it is. */
export interface ResolvedEndpoint {
  readonly endpoint: Endpoint
  readonly outcome: ResolveOutcome
  readonly ms: number
}

export interface ResolveHostsOptions {
  readonly signal?: AbortSignal
  /**
   * What a name is that does not exist: the mistake of who wrote it, or an outcome. Networks with a proxy often resolve
   * no name of the outside: there only the proxy knows.
   * @default 'error'
   */
  readonly absent?: 'error' | 'outcome'
  /** @default 2500 */
  readonly timeoutMs?: number
}

/** Ours: resolvers ask a second server after 1 to 2 s, seldom a third in vain. */
export const RESOLVE_TIMEOUT_MS = 2500

/**
 * Looks up the hosts of endpoints, each name once, all at the same time, as the system resolves them. A resolver that
 * fails, or says nothing in time, is an outcome.
 * @throws {ReachError} ERR_REACH_HOST_NOT_FOUND for a name that does not exist, unless `absent` is `outcome`
 * @throws the signal's reason
 */
export async function resolveHosts(
  runtime: Runtime,
  endpoints: readonly Endpoint[],
  options: ResolveHostsOptions = {},
): Promise<readonly ResolvedEndpoint[]> {
  const lookups = new Map<string, Promise<Omit<ResolvedEndpoint, 'endpoint'>>>()
  for (const { host } of endpoints) {
    if (!lookups.has(host)) lookups.set(host, lookupHost(runtime, host, options))
  }
  await Promise.all(lookups.values())
  const resolved: ResolvedEndpoint[] = []
  for (const endpoint of endpoints) {
    const found = await lookups.get(endpoint.host)
    if (found !== undefined) resolved.push({ endpoint, ...found })
  }
  if (options.absent !== 'outcome') resolved.forEach(assertExists)
  return resolved
}

/** One host, within the time; never rejects but for the signal. */
export async function lookupHost(
  runtime: Runtime,
  host: string,
  options: Pick<ResolveHostsOptions, 'signal' | 'timeoutMs'> = {},
): Promise<{ readonly outcome: ResolveOutcome; readonly ms: number }> {
  const { timeoutMs = RESOLVE_TIMEOUT_MS, signal } = options
  const limits = { timeoutMs, ...(signal === undefined ? {} : { signal }) }
  const looked = await attempt(runtime.clock, limits, (ended) => runtime.resolver.lookup(host, ended))
  const outcome: ResolveOutcome =
    looked.kind === 'done' ? looked.value : { kind: 'failed', code: looked.code }
  return { outcome, ms: looked.ms }
}

function assertExists({ endpoint, outcome }: ResolvedEndpoint): void {
  if (outcome.kind !== 'not-found') return
  throw new ReachError('ERR_REACH_HOST_NOT_FOUND', `there is no host ${JSON.stringify(endpoint.host)}`, {
    hint: 'check the spelling of the name',
    details: { host: endpoint.host, code: outcome.code },
  })
}
