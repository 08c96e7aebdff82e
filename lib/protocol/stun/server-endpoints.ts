import { transportAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { StunAttribute } from './attributes.ts'
import { HEADER_LENGTH } from './header.ts'
import { BINDING_METHOD, encodeStun } from './message.ts'

/**
 * The addresses of a STUN server in one family: RFC 5780's grid of two IPs by two ports, or what there is of it. The
 * server answers from wherever it is asked to within the grid, so it needs a socket on each address.
 */
export interface StunServerAddresses {
  /** Where it listens. Unspecified (`0.0.0.0`, `::`) works without an alternate IP. */
  readonly ip: string
  readonly port: number
  /** Without it, nobody can test port-dependent behaviour here. */
  readonly alternatePort?: number
  /** Needs `alternatePort`, which RFC 5780 §6 wants on both IPs. */
  readonly alternateIp?: string
  /** What clients know `ip` by, where a NAT maps one to one in front of the server. Default: `ip`. */
  readonly advertisedIp?: string
  readonly advertisedAlternateIp?: string
}

/** One address of the grid: the shell binds one UDP socket to each. */
export interface StunEndpoint {
  /** Its place in {@link StunServer.endpoints}. */
  readonly index: number
  readonly local: TransportAddress
  /** What clients know it by; undefined when the server does not know it itself (unspecified IP). */
  readonly advertised: TransportAddress | undefined
  /**
   * Index of the endpoint to answer from for each CHANGE-REQUEST, by its flags shifted right by one: none, other port,
   * other IP, both. Undefined where the grid has no such address.
   */
  readonly answersFrom: readonly (number | undefined)[]
}

/** The corners of a family's grid in index order; the numbers are the flags that lead there from the first. */
const CORNERS = [0, 1, 2, 3] as const

/**
 * The endpoints of a server, numbered in the order of families, then: primary, other port, other IP, both.
 * @throws {RangeError} for an alternate IP without an alternate port, or one that is unspecified, and when two endpoints
 * have the same address
 */
export function stunEndpoints(families: readonly StunServerAddresses[]): readonly StunEndpoint[] {
  const endpoints: StunEndpoint[] = []
  for (const addresses of families) {
    const first = endpoints.length
    const corners = CORNERS.filter((corner) => existsIn(addresses, corner))
    for (const corner of corners) {
      const local = addressAt(addresses, corner, addresses.ip, addresses.alternateIp)
      endpoints.push({
        index: endpoints.length,
        local,
        advertised: advertisedAt(addresses, corner),
        answersFrom: CORNERS.map((flags) => {
          const target = corners.findIndex((other) => other === (corner ^ flags))
          return target < 0 ? undefined : first + target
        }),
      })
    }
  }
  checkEndpoints(families, endpoints)
  return endpoints
}

function existsIn(addresses: StunServerAddresses, corner: number): boolean {
  return (
    ((corner & 1) === 0 || addresses.alternatePort !== undefined) &&
    ((corner & 2) === 0 || addresses.alternateIp !== undefined)
  )
}

function addressAt(
  addresses: StunServerAddresses,
  corner: number,
  ip: string,
  alternateIp: string | undefined,
): TransportAddress {
  const port = (corner & 1) === 0 ? addresses.port : (addresses.alternatePort ?? addresses.port)
  return transportAddress((corner & 2) === 0 ? ip : (alternateIp ?? ip), port)
}

function advertisedAt(addresses: StunServerAddresses, corner: number): TransportAddress | undefined {
  const ip = addresses.advertisedIp ?? addresses.ip
  const address = addressAt(addresses, corner, ip, addresses.advertisedAlternateIp ?? addresses.alternateIp)
  return isUnspecified(address.ip) ? undefined : address
}

function isUnspecified(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::'
}

function checkEndpoints(families: readonly StunServerAddresses[], endpoints: readonly StunEndpoint[]): void {
  if (
    families.some(
      ({ alternateIp, alternatePort }) => alternateIp !== undefined && alternatePort === undefined,
    )
  ) {
    throw new RangeError('an alternate IP needs an alternate port (RFC 5780 §6)')
  }
  const places = endpoints.map(({ local }) => `${local.ip} ${local.port}`)
  if (new Set(places).size !== places.length) throw new RangeError('two endpoints have one address')
  if (
    families.some(
      ({ ip, alternateIp }) => alternateIp !== undefined && (isUnspecified(ip) || isUnspecified(alternateIp)),
    )
  ) {
    throw new RangeError('two IPs must be named, not unspecified')
  }
}

/**
 * The attributes of a reply that are the same for everybody: who answers (RESPONSE-ORIGIN), and the other address of
 * the endpoint that was asked (OTHER-ADDRESS, RFC 5780 §6.1 table 1), or SOURCE-ADDRESS and CHANGED-ADDRESS of RFC 3489.
 *
 * Without a second IP there is no OTHER-ADDRESS: RFC 5780 §7.4 forbids it. A second port is told in OTHER-PORT, which is
 * ours; see attribute-numbers.ts.
 */
export function replyTail(
  endpoints: readonly StunEndpoint[],
  asked: StunEndpoint,
  origin: StunEndpoint,
  isLegacy: boolean,
): Uint8Array {
  const attributes: StunAttribute[] = []
  if (origin.advertised !== undefined) {
    attributes.push({ type: isLegacy ? 'source-address' : 'response-origin', address: origin.advertised })
  }
  const [, otherPort, , both] = asked.answersFrom.map((index) =>
    index === undefined ? undefined : endpoints[index],
  )
  if (both?.advertised !== undefined) {
    attributes.push({ type: isLegacy ? 'changed-address' : 'other-address', address: both.advertised })
  } else if (otherPort !== undefined && !isLegacy) {
    attributes.push({ type: 'other-port', port: otherPort.local.port })
  }
  return encodeAttributes(attributes)
}

/** RESPONSE-ORIGIN alone, for a connection that came in at `local`: all there is to say over TCP. */
export function originTail(endpoints: readonly StunEndpoint[], local: TransportAddress): Uint8Array {
  const ip = endpoints.find((endpoint) => endpoint.local.ip === local.ip)?.advertised?.ip ?? local.ip
  return isUnspecified(ip)
    ? encodeAttributes([])
    : encodeAttributes([{ type: 'response-origin', address: { ...local, ip } }])
}

/** SOFTWARE, encoded once. */
export function softwareAttribute(text: string): Uint8Array {
  return encodeAttributes([{ type: 'software', value: text }])
}

/** Attributes as they stand in a message, for those that don't depend on the rest of it. */
function encodeAttributes(attributes: readonly StunAttribute[]): Uint8Array {
  return encodeStun({
    class: 'success',
    method: BINDING_METHOD,
    transactionId: new Uint8Array(12),
    attributes,
  }).slice(HEADER_LENGTH)
}
