import { ReachError } from '../../base/errors.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { crc32 } from '../stun/crc32.ts'

/** Where a candidate was learnt (RFC 8445 §5.1.1; RFC 6544 §5.2 for `nat-assisted`: a port that a gateway mapped for us). */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay' | 'nat-assisted'

/** Who opens a TCP connection (RFC 6544 §4.5): we do, the other does, or both at once. */
export type TcpType = 'active' | 'passive' | 'so'

/** An address at which a peer may be reached (RFC 8445 §4). We have one component, number 1, in all. */
export interface Candidate {
  readonly type: CandidateType
  readonly address: TransportAddress
  /** 1 to 2^31 − 1; higher is preferred (RFC 8445 §5.1.2). */
  readonly priority: number
  /** The same for candidates that share type, base IP, server and transport (RFC 8445 §5.1.1.3): 1 to 32 ice-chars. */
  readonly foundation: string
  /** For TCP, always; for UDP, never. */
  readonly tcpType?: TcpType
  /** The base of a reflexive candidate, or the mapped address of a relayed one: for people, not for checks. */
  readonly related?: TransportAddress
}

/** A candidate of ours: it also says what to send from. */
export interface LocalCandidate extends Candidate {
  /** The number of the socket that sends for it; whoever drives the machine chose it. */
  readonly socket: number
  /** The address of that socket (RFC 8445 §4, base). */
  readonly base: TransportAddress
}

/** RFC 8445 §5.1.2.2 and, for NAT-assisted, RFC 6544 §4.2: the recommended type preferences. */
export const TYPE_PREFERENCES: Readonly<Record<CandidateType, number>> = {
  host: 126,
  prflx: 110,
  'nat-assisted': 105,
  srflx: 100,
  relay: 0,
}

/** RFC 8445 §5.1.2.1: what a host with one address uses. */
export const MAX_LOCAL_PREFERENCE = 65_535
/** RFC 6544 §4.2: what remains for a TCP candidate beside its direction. */
export const MAX_TCP_OTHER_PREFERENCE = 8191

/** The priority of a candidate (RFC 8445 §5.1.2.1), for component 1. @throws {RangeError} for a preference over 65535 */
export function candidatePriority(type: CandidateType, localPreference: number): number {
  if (!Number.isInteger(localPreference) || localPreference < 0 || localPreference > MAX_LOCAL_PREFERENCE) {
    throw new RangeError(`${localPreference} is no local preference`)
  }
  return TYPE_PREFERENCES[type] * 2 ** 24 + localPreference * 2 ** 8 + 255
}

/** The local preference of a TCP candidate (RFC 6544 §4.2); `otherPreference` is 0 to 8191. */
export function tcpLocalPreference(type: CandidateType, tcpType: TcpType, otherPreference: number): number {
  const forHosts = { active: 6, passive: 4, so: 2 }
  // Behind a NAT only both at once has a good chance.
  const behindNats = { so: 6, active: 4, passive: 2 }
  const direction = (type === 'host' || type === 'nat-assisted' ? forHosts : behindNats)[tcpType]
  return direction * 2 ** 13 + Math.min(otherPreference, MAX_TCP_OTHER_PREFERENCE)
}

/** What a local candidate is made of. */
export interface LocalCandidateParts {
  readonly type: CandidateType
  readonly address: TransportAddress
  readonly base: TransportAddress
  readonly socket: number
  /** Tells interfaces apart, higher is better. @default 65535, for TCP 8191 */
  readonly preference?: number
  readonly tcpType?: TcpType
  /** IP of the STUN or TURN server that told us. */
  readonly serverIp?: string
}

/** Makes a candidate with the priority and the foundation that RFC 8445 gives it. @throws {ReachError} ERR_REACH_ADDRESS when transport and TCP type disagree */
export function localCandidate(parts: LocalCandidateParts): LocalCandidate {
  const { type, address, base, socket, tcpType } = parts
  if ((address.transport === 'tcp') !== (tcpType !== undefined)) {
    throw new ReachError('ERR_REACH_ADDRESS', 'a TCP candidate has a TCP type, another has none')
  }
  const preference =
    tcpType === undefined
      ? (parts.preference ?? MAX_LOCAL_PREFERENCE)
      : tcpLocalPreference(type, tcpType, parts.preference ?? MAX_TCP_OTHER_PREFERENCE)
  return {
    type,
    address,
    base,
    socket,
    priority: candidatePriority(type, preference),
    foundation: foundationOf(type, base, parts.serverIp),
    ...(tcpType === undefined ? {} : { tcpType }),
    ...(type === 'host' ? {} : { related: base }),
  }
}

/** What a check tells of where it came from, when nobody has named that (RFC 8445 §7.3.1.3); the priority is the check's. */
export function peerReflexiveCandidate(
  local: LocalCandidate,
  address: TransportAddress,
  priority: number,
): Candidate {
  return {
    type: 'prflx',
    address,
    priority,
    foundation: `p${foundationOf('prflx', address)}`,
    ...(local.tcpType === undefined ? {} : { tcpType: OTHER_TCP_TYPE[local.tcpType] }),
  }
}

const OTHER_TCP_TYPE = { active: 'passive', passive: 'active', so: 'so' } as const

/** RFC 8445 §5.1.1.3. A checksum suffices: a collision costs order, not correctness. */
export function foundationOf(type: CandidateType, base: TransportAddress, serverIp = ''): string {
  const text = [type, base.ip, serverIp, base.transport].join(' ')
  return crc32(new TextEncoder().encode(text)).toString(16)
}
