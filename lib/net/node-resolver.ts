import { promises as dns } from 'node:dns'
import type { ResolveOutcome, Resolver } from '../base/runtime.ts'
import { canonicalIp, isIp } from '../base/transport-address.ts'
import { systemCode } from './system-error.ts'

/** Ours: a DNS server on the way to the internet answers within 100 ms; one that needs a second is as good as down. */
const QUERY_TIMEOUT_MS = 1_000

export interface NodeResolverOptions {
  /** DNS servers that `query` asks, as `IP` or `IP:PORT`. @default those of the system */
  readonly servers?: readonly string[]
  /** How long `query` waits for one server. @default 1000 */
  readonly queryTimeoutMs?: number
}

/** Names resolved by the system (`lookup`) and by DNS itself (`query`). */
export function nodeResolver(options: NodeResolverOptions = {}): Resolver {
  const newDns = () => {
    const resolver = new dns.Resolver({ timeout: options.queryTimeoutMs ?? QUERY_TIMEOUT_MS, tries: 1 })
    if (options.servers !== undefined) resolver.setServers(options.servers)
    return resolver
  }
  return {
    lookup,
    servers: () => newDns().getServers(),
    // One resolver a query, because cancel() ends all queries of its resolver.
    query: (host, type, signal) => query(newDns(), host, type, signal),
  }
}

/**
 * Codes that speak about the name; all others (EAI_AGAIN, ETIMEOUT, ESERVFAIL, ECONNREFUSED, …) speak about the way to
 * the answer. EBADNAME: no such name can exist.
 */
const NOT_FOUND_CODES: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME'])

/** What a failed resolution says: about the name, or only about the servers. */
export function failureOutcome(error: unknown): ResolveOutcome {
  const code = systemCode(error)
  return NOT_FOUND_CODES.has(code) ? { kind: 'not-found', code } : { kind: 'failed', code }
}

async function lookup(host: string, signal?: AbortSignal): Promise<ResolveOutcome> {
  signal?.throwIfAborted()
  if (isIp(host)) return found([host])
  // Node answers '' with a deprecation warning.
  if (host === '') return { kind: 'not-found', code: 'ENOTFOUND' }
  // The system's lookup can't be cancelled; it runs to its end unheard.
  return outcomeOf(
    dns.lookup(host, { all: true }),
    (entries) => entries.map((entry) => entry.address),
    signal,
  )
}

async function query(
  resolver: dns.Resolver,
  host: string,
  type: 'A' | 'AAAA',
  signal?: AbortSignal,
): Promise<ResolveOutcome> {
  signal?.throwIfAborted()
  if (isIp(host)) {
    const isOfType = canonicalIp(host).includes(':') === (type === 'AAAA')
    return isOfType ? found([host]) : { kind: 'not-found', code: 'ENODATA' }
  }
  if (host === '') return { kind: 'not-found', code: 'ENOTFOUND' }
  const onAbort = () => resolver.cancel()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const answer = type === 'A' ? resolver.resolve4(host) : resolver.resolve6(host)
    return await outcomeOf(answer, (ips) => ips, signal)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Waits for an answer or the signal, whichever is first. */
function outcomeOf<Answer>(
  answer: Promise<Answer>,
  ipsOf: (answer: Answer) => readonly string[],
  signal: AbortSignal | undefined,
): Promise<ResolveOutcome> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const settle = (outcome: ResolveOutcome) => {
      signal?.removeEventListener('abort', onAbort)
      resolve(outcome)
    }
    answer.then(
      (value) => settle(found(ipsOf(value))),
      (error: unknown) => settle(failureOutcome(error)),
    )
  })
}

function found(texts: readonly string[]): ResolveOutcome {
  const ips = [...new Set(texts.filter(isIp).map(canonicalIp))]
  return ips.length > 0 ? { kind: 'found', ips } : { kind: 'not-found', code: 'ENODATA' }
}
