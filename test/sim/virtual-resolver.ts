import type { Clock, ResolveOutcome, Resolver } from '../../lib/base/runtime.ts'
import { delay } from '../../lib/base/deadline.ts'
import { canonicalIp, isIp } from '../../lib/base/transport-address.ts'

/** The names of a virtual internet, for all hosts that ask an honest server. */
export type Zone = Map<string, readonly string[]>

/** How names are resolved on one host. */
export interface HostDnsOptions {
  /** @default ['192.0.2.53'] */
  readonly servers?: readonly string[]
  /** How long an answer takes. @default 20 */
  readonly delayMs?: number
  /** `silent` servers never answer; `servfail` ones always fail. @default 'works' */
  readonly mode?: 'works' | 'silent' | 'servfail'
  /** The host's own file of names, which `lookup` reads first. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>
  /** What the servers say instead of the truth; an empty list: no such name. */
  readonly lies?: Readonly<Record<string, readonly string[]>>
}

const DEFAULT_SERVERS = ['192.0.2.53']
const DEFAULT_DELAY_MS = 20

/** How a question fails when servers are silent or broken: as glibc's lookup says it, and as c-ares with lib/net's timeout. */
const LOOKUP_FAILURES = { silent: { code: 'EAI_AGAIN', afterMs: 5000 }, servfail: 'EAI_AGAIN' }
const QUERY_FAILURES = { silent: { code: 'ETIMEOUT', afterMs: 1000 }, servfail: 'ESERVFAIL' }

/** Resolves the names of a {@link Zone} as one host sees them. */
export class VirtualResolver implements Resolver {
  readonly #clock: Clock
  readonly #zone: Zone
  #options: HostDnsOptions

  constructor(clock: Clock, zone: Zone, options: HostDnsOptions = {}) {
    this.#clock = clock
    this.#zone = zone
    this.#options = options
  }

  /** Other servers, or other behaviour, from now on. */
  configure(changes: HostDnsOptions): void {
    this.#options = { ...this.#options, ...changes }
  }

  servers(): readonly string[] {
    return this.#options.servers ?? DEFAULT_SERVERS
  }

  async lookup(host: string, signal?: AbortSignal): Promise<ResolveOutcome> {
    signal?.throwIfAborted()
    if (isIp(host)) return { kind: 'found', ips: [canonicalIp(host)] }
    const name = host.toLowerCase()
    const known = this.#options.hosts?.[name] ?? (name === 'localhost' ? ['127.0.0.1', '::1'] : undefined)
    if (known !== undefined) return { kind: 'found', ips: known }
    return this.#ask(name, signal, LOOKUP_FAILURES, () => true)
  }

  async query(host: string, type: 'A' | 'AAAA', signal?: AbortSignal): Promise<ResolveOutcome> {
    signal?.throwIfAborted()
    const isWanted = (ip: string) => ip.includes(':') === (type === 'AAAA')
    if (!isIp(host)) return this.#ask(host.toLowerCase(), signal, QUERY_FAILURES, isWanted)
    return isWanted(canonicalIp(host))
      ? { kind: 'found', ips: [canonicalIp(host)] }
      : { kind: 'not-found', code: 'ENODATA' }
  }

  async #ask(
    name: string,
    signal: AbortSignal | undefined,
    failures: typeof LOOKUP_FAILURES,
    isWanted: (ip: string) => boolean,
  ): Promise<ResolveOutcome> {
    const { mode = 'works', delayMs = DEFAULT_DELAY_MS, lies = {} } = this.#options
    await delay(this.#clock, mode === 'silent' ? failures.silent.afterMs : delayMs, signal)
    if (mode === 'silent') return { kind: 'failed', code: failures.silent.code }
    if (mode === 'servfail') return { kind: 'failed', code: failures.servfail }
    const all = lies[name] ?? this.#zone.get(name) ?? []
    const ips = all.filter(isWanted)
    if (ips.length > 0) return { kind: 'found', ips }
    return { kind: 'not-found', code: all.length === 0 ? 'ENOTFOUND' : 'ENODATA' }
  }
}
