import { ReachError } from '../base/errors.ts'
import { toHex } from '../base/hex.ts'
import type { Runtime } from '../base/runtime.ts'
import { MAX_PORT, transportAddress } from '../base/transport-address.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import type { GatewayMapper } from './gateway-mapper.ts'
import type { PortRequest } from './lease-state.ts'

/** RFC 6886 §3.3. */
export const DEFAULT_LIFETIME_S = 7_200
/** Both protocols have 32 bits for it. */
const MAX_LIFETIME_S = 0xffff_ffff
/** RFC 6887 §11.2. */
const NONCE_LENGTH = 12

/** Random bytes that say whose a mapping is, as hex digits. */
export function newNonce({ random }: Pick<Runtime, 'random'>): string {
  return toHex(random.bytes(NONCE_LENGTH))
}

/** What a mapping is of, as text: for whoever compares owners. */
export function mappingKey({ transport, port, family = 'ipv4' }: PortRequest): string {
  return `${family}/${transport}/${port}`
}

/**
 * Refuses what means something else to a gateway: port 0 stands for all ports (RFC 6887 §11.1), lifetime 0 for a removal.
 * @throws {ReachError} ERR_REACH_ADDRESS; {RangeError} for a lifetime
 */
export function checkRequest({ port, externalPort, lifetimeS = DEFAULT_LIFETIME_S }: PortRequest): void {
  for (const one of [port, externalPort ?? port]) {
    if (!Number.isInteger(one) || one < 1 || one > MAX_PORT) {
      throw new ReachError('ERR_REACH_ADDRESS', `${one} is not a port that can be mapped`, {
        details: { port: one },
        hint: 'ports are numbers from 1 to 65535',
      })
    }
  }
  if (!Number.isInteger(lifetimeS) || lifetimeS < 1 || lifetimeS > MAX_LIFETIME_S)
    throw new RangeError(`${lifetimeS} s is not a lifetime: from 1 to ${MAX_LIFETIME_S}`)
}

/** What one gateway is asked for. */
export function requestAt(clientIp: string, request: PortRequest, nonce: string): MappingRequest {
  const { transport, port, externalPort, acceptsOtherPort = true, lifetimeS = DEFAULT_LIFETIME_S } = request
  const internal = transportAddress(clientIp, port, transport)
  return { internal, externalPort, acceptsOtherPort, lifetimeS, nonce }
}

/**
 * What a gateway may be about to grant, as far as it could be removed without having heard the answer: PCP removes by
 * nonce and inside port, NAT-PMP by inside port; UPnP needs the outside one, which only the answer says.
 */
export function claimAt(
  { protocol, gatewayIp }: GatewayMapper,
  request: MappingRequest,
): MappingGrant | undefined {
  if (protocol === 'upnp') return undefined
  const { internal, externalPort = 0, lifetimeS, nonce } = request
  return { protocol, gatewayIp, internal, externalIp: undefined, externalPort, lifetimeS, keep: { nonce } }
}
