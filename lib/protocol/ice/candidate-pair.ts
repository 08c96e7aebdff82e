import { formatAddress } from '../../base/transport-address.ts'
import type { Candidate, LocalCandidate } from './candidate.ts'

/** An agent's part (RFC 8445 §6.1.1): the controlling one nominates. */
export type IceRole = 'controlling' | 'controlled'

/** RFC 8445 §6.1.2.6. */
export type PairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed'

/** A local candidate with a remote one (RFC 8445 §6.1.2.2). Changed by the {@link Checklist} and the agent alone. */
export interface CandidatePair {
  /** Socket and remote address: what makes two pairs the same (RFC 8445 §6.1.2.4). */
  readonly key: string
  readonly local: LocalCandidate
  readonly remote: Candidate
  /** Both foundations: pairs that share it are likely to share their fate (RFC 8445 §6.1.2.6). */
  readonly foundation: string
  priority: bigint
  state: PairState
  /** The controlling agent has chosen it. */
  nominated: boolean
  /** The last round trip of a check, in milliseconds. */
  rttMs: number | undefined
}

/** The priority of a pair (RFC 8445 §6.1.2.3): the same on both sides, for opposite roles. */
export function pairPriority(role: IceRole, localPriority: number, remotePriority: number): bigint {
  const [g, d] = role === 'controlling' ? [localPriority, remotePriority] : [remotePriority, localPriority]
  return (1n << 32n) * BigInt(Math.min(g, d)) + 2n * BigInt(Math.max(g, d)) + (g > d ? 1n : 0n)
}

/** What identifies a pair: where it is sent from and to. */
export function pairKey(socket: number, remote: Candidate['address']): string {
  return `${socket} ${remote.transport} ${formatAddress(remote)}`
}

/** A pair in state Frozen. */
export function candidatePair(role: IceRole, local: LocalCandidate, remote: Candidate): CandidatePair {
  return {
    key: pairKey(local.socket, remote.address),
    local,
    remote,
    foundation: `${local.foundation}:${remote.foundation}`,
    priority: pairPriority(role, local.priority, remote.priority),
    state: 'frozen',
    nominated: false,
    rttMs: undefined,
  }
}

/** Whether packets of the one can get to the other at all (RFC 8445 §6.1.2.2; RFC 6544 §6.2 for TCP). */
export function canPair(local: LocalCandidate, remote: Candidate): boolean {
  const { address } = remote
  if (local.address.transport !== address.transport || local.address.family !== address.family) return false
  if (isLinkLocal(local.address.ip) !== isLinkLocal(address.ip) && address.family === 'ipv6') return false
  if (local.tcpType === undefined || remote.tcpType === undefined) return local.tcpType === remote.tcpType
  return { active: 'passive', passive: 'active', so: 'so' }[local.tcpType] === remote.tcpType
}

function isLinkLocal(ip: string): boolean {
  return /^fe[89ab]/i.test(ip)
}
