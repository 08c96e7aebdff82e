import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint, parseEndpoint } from '../base/endpoint.ts'
import type { RelayUrl } from '../base/relay-url.ts'
import { parseRelayUrl } from '../base/relay-url.ts'
import type { SshUrl } from '../base/ssh-url.ts'
import { isSshUrl, parseSshUrl } from '../base/ssh-url.ts'
import type { ResolveOutcome, Runtime } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { sameAddress, transportAddress } from '../base/transport-address.ts'
import { DEFAULT_STUN_PORT } from '../protocol/stun/default-port.ts'
import { DEFAULT_STUN_SERVERS } from './default-servers.ts'
import { resolveHosts } from '../net/outward/resolve-hosts.ts'

/** Who is asked, as a person named them. */
export interface Targets {
  readonly relays: readonly RelayUrl[]
  readonly stun: readonly Endpoint[]
  /** SSH servers in place of relays. */
  readonly ssh: readonly SshUrl[]
  /** Nobody was named, so public servers are asked. */
  readonly areDefault: boolean
}

/** A STUN server and where it is. */
export interface StunTarget {
  /** HOST:PORT as named, or the relay's URL. */
  readonly label: string
  readonly isRelay: boolean
  readonly endpoint: Endpoint
  readonly outcome: ResolveOutcome
  readonly addresses: readonly TransportAddress[]
}

/**
 * Reads what a person gave as relays, SSH servers in their place (`ssh://…`), and STUN servers (`HOST`, `HOST:PORT`, also
 * with `stun:` before it).
 * @throws {ReachError} ERR_REACH_ADDRESS
 */
export function parseTargets(relays: readonly string[], stun: readonly string[]): Targets {
  const areDefault = relays.length === 0 && stun.length === 0
  const servers = areDefault ? DEFAULT_STUN_SERVERS : stun
  return {
    relays: relays.filter((text) => !isSshUrl(text)).map(parseRelayUrl),
    ssh: relays.filter(isSshUrl).map(parseSshUrl),
    stun: servers.map((text) => parseEndpoint(text.replace(/^stun:/i, ''), DEFAULT_STUN_PORT)),
    areDefault,
  }
}

/**
 * Looks up all STUN servers, those of relays at the default port included.
 * @throws {ReachError} ERR_REACH_HOST_NOT_FOUND for a name that does not exist, unless that is to be an outcome
 */
export async function resolveStunTargets(
  runtime: Runtime,
  targets: Targets,
  options: { readonly signal: AbortSignal; readonly absent: 'error' | 'outcome' },
): Promise<readonly StunTarget[]> {
  const named = [
    ...targets.stun.map((endpoint) => ({ label: formatEndpoint(endpoint), endpoint, isRelay: false })),
    ...targets.relays.map(({ host, text }) => ({
      label: text,
      endpoint: { host, port: DEFAULT_STUN_PORT },
      isRelay: true,
    })),
  ]
  const endpoints = named.map(({ endpoint }) => endpoint)
  const resolved = await resolveHosts(runtime, endpoints, options)
  return named.map(({ label, endpoint, isRelay }, index) => {
    const outcome = resolved[index]?.outcome ?? { kind: 'failed', code: 'EUNKNOWN' }
    const ips = outcome.kind === 'found' ? outcome.ips : []
    return {
      label,
      endpoint,
      isRelay,
      outcome,
      addresses: ips.map((ip) => transportAddress(ip, endpoint.port)),
    }
  })
}

/** All addresses of one family, each once: one per target first, so that few servers with many addresses don't crowd. */
export function addressesOfFamily(
  targets: readonly StunTarget[],
  family: AddressFamily,
): readonly TransportAddress[] {
  const perTarget = targets.map((target) => target.addresses.filter((address) => address.family === family))
  const longest = Math.max(0, ...perTarget.map((addresses) => addresses.length))
  const all = Array.from({ length: longest }, (_, i) =>
    perTarget.flatMap((addresses) => addresses[i] ?? []),
  ).flat()
  return all.filter((address, index) => all.findIndex((other) => sameAddress(other, address)) === index)
}
