import type { Role } from '../../base/peer-name.ts'
import { ROLES, isNetworkDomain, isPeerName } from '../../base/peer-name.ts'
import type { Certificate } from './certificate.ts'

/** Who a certificate says its holder is. A claim: only a valid chain makes it true. */
export interface Claim {
  readonly name: string
  readonly domain: string
  readonly roles: readonly Role[]
}

const CLAIM_URI = /^p2p-reach:\/\/([a-z0-9-]+)\.([a-z0-9.-]+)\/([a-z]+)$/

/** The URI in a certificate that says: `name` of the network `domain` may act as `role`. */
export function claimUri(name: string, domain: string, role: Role): string {
  return `p2p-reach://${name}.${domain}/${role}`
}

/** The URI in a certificate that one root signed for another: this key may speak for a network as a root does. */
export const CROSS_SIGNED_ROOT_URI = 'p2p-reach:root'

/** True for what a root signed for another root; an intermediate, which may only issue, does not say so. */
export function isCrossSignedRoot({ extensions }: Certificate): boolean {
  return extensions.basicConstraints.isCa && extensions.names.uris.includes(CROSS_SIGNED_ROOT_URI)
}

/**
 * Reads the claim of a certificate: one URI for each role, all of the same name and network, and the DNS name
 * `name.domain`. Undefined when there is none, or when they disagree: a certificate is for one name. The DNS name has to
 * be there because many CAs constrain those alone, and would let any URI pass.
 */
export function claimOf({ extensions }: Certificate): Claim | undefined {
  const parts = extensions.names.uris
    .filter((uri) => uri.startsWith('p2p-reach:'))
    .map((uri) => CLAIM_URI.exec(uri))
  const [first] = parts
  const [, name = '', domain = ''] = first ?? []
  if (!isPeerName(name) || !isNetworkDomain(domain)) return undefined
  if (!extensions.names.dns.includes(`${name}.${domain}`)) return undefined
  const roles = parts.map((part) =>
    part?.[1] === name && part[2] === domain ? ROLES.find((role) => role === part[3]) : undefined,
  )
  const known = roles.filter((role) => role !== undefined)
  return known.length === roles.length ? { name, domain, roles: known } : undefined
}
