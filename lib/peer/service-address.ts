import { ReachError } from '../base/errors.ts'
import { isPeerId } from '../base/peer-id.ts'
import { parsePeerName } from '../base/peer-name.ts'
import { isServiceName } from '../protocol/mux/open-header.ts'

/** Where a stream is to lead: a peer, by name or PeerId, and a service that it exposes. */
export interface ServiceAddress {
  readonly peer: string
  readonly service: string
}

/** Services whose names begin so belong to the product itself. */
export const RESERVED_PREFIX = 'p2p-reach.'
/** Gives back what it gets: `ping` measures with it. */
export const PING_SERVICE = `${RESERVED_PREFIX}ping`
/** Carries what two peers tell each other to find a direct path. */
export const DIRECT_SERVICE = `${RESERVED_PREFIX}direct`

/** Reads `PEER/SERVICE`. @throws {ReachError} ERR_REACH_NAME */
export function parseServiceAddress(text: string): ServiceAddress {
  const [peer = '', service, ...rest] = text.split('/')
  if (service === undefined || rest.length > 0) {
    throw new ReachError(
      'ERR_REACH_NAME',
      `${JSON.stringify(text)} does not say which service of which peer`,
      {
        hint: 'write PEER/SERVICE, such as  alice/web',
      },
    )
  }
  return { peer: parsePeer(peer), service: parseServiceName(service) }
}

/** Reads the name of a peer, or its PeerId. @throws {ReachError} ERR_REACH_NAME */
export function parsePeer(text: string): string {
  const trimmed = text.trim()
  return isPeerId(trimmed) ? trimmed : parsePeerName(trimmed)
}

/** Reads the name of a service; capitals become small. @throws {ReachError} ERR_REACH_NAME */
export function parseServiceName(text: string): string {
  const name = text.trim().toLowerCase()
  if (isServiceName(name)) return name
  throw new ReachError('ERR_REACH_NAME', `${JSON.stringify(text)} can’t be the name of a service`, {
    hint: 'use up to 64 letters, digits, dots, hyphens and underscores, such as  web  or  db-1',
  })
}
