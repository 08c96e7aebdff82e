import { ReachError } from './errors.ts'
import { isPeerId } from './peer-id.ts'

/** What a peer may do in its network; stands in its certificate. */
export type Role = 'peer' | 'relay' | 'admin'

/** All roles, in the order in which they are listed for people. */
export const ROLES: readonly Role[] = ['peer', 'relay', 'admin']

/** RFC 1035 §2.3.1, digits first allowed as RFC 1123 §2.1 does: a name is a DNS label, so that X.509 can constrain it. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Reads the name of a peer: a DNS label of at most 63 letters, digits and hyphens. Capitals become small.
 * @throws {ReachError} ERR_REACH_NAME
 */
export function parsePeerName(text: string): string {
  const name = text.trim().toLowerCase()
  if (isPeerId(name)) throw invalid(text, 'a name must not look like a PeerId; choose a shorter one')
  if (!LABEL.test(name))
    throw invalid(text, 'use letters, digits and hyphens, at most 63, such as  alice  or  web-1')
  return name
}

/** True for the exact text of a peer's name. */
export function isPeerName(text: string): boolean {
  return LABEL.test(text) && !isPeerId(text)
}

/** Reads the name of a role. @throws {ReachError} ERR_REACH_USAGE */
export function parseRole(text: string): Role {
  const role = ROLES.find((known) => known === text)
  if (role !== undefined) return role
  throw new ReachError('ERR_REACH_USAGE', `${JSON.stringify(text)} is no role`, {
    hint: `the roles are ${ROLES.join(', ')}`,
  })
}

/** True for a network's domain: dot-separated DNS labels, lower case (RFC 1035 §2.3.4: at most 253 characters). */
export function isNetworkDomain(text: string): boolean {
  return text.length <= 189 && text.split('.').every((label) => LABEL.test(label))
}

function invalid(text: string, hint: string): ReachError {
  return new ReachError('ERR_REACH_NAME', `${JSON.stringify(text)} can't be the name of a peer`, {
    hint,
    details: { text },
  })
}
