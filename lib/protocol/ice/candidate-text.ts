import { ReachError } from '../../base/errors.ts'
import { isIp, transportAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { Candidate, CandidateType, TcpType } from './candidate.ts'

/** Ours: the longest line that we read; a candidate with two IPv6 addresses has some 150 characters. */
export const MAX_CANDIDATE_LENGTH = 512

const ICE_CHARS = /^[A-Za-z0-9+/]{1,32}$/
const NUMBER = /^(0|[1-9][0-9]{0,9})$/
const MAX_PRIORITY = 2 ** 31 - 1

/**
 * A candidate as the candidate-attribute of RFC 8839 §5.1 (RFC 6544 §4.5 for `tcptype`), which every ICE agent reads.
 * NAT-assisted goes out as `srflx`: the attribute has no word for it, and the priority carries the difference.
 */
export function formatCandidate(candidate: Candidate): string {
  const { foundation, address, priority, type, related, tcpType } = candidate
  const head = `candidate:${foundation} 1 ${address.transport} ${priority} ${address.ip} ${address.port}`
  const typ = ` typ ${type === 'nat-assisted' ? 'srflx' : type}`
  const from = related === undefined ? '' : ` raddr ${related.ip} rport ${related.port}`
  return head + typ + from + (tcpType === undefined ? '' : ` tcptype ${tcpType}`)
}

/**
 * Reads a candidate of a peer, who may lie: nothing but its form is proven. Extensions that we don't know are skipped.
 * @throws {ReachError} ERR_REACH_DECODE, also for host names (mDNS) and components other than 1, which we don't use
 */
export function parseCandidate(line: string): Candidate {
  if (line.length > MAX_CANDIDATE_LENGTH) throw wrong('too long')
  const words = line
    .replace(/^a=/, '')
    .replace(/^candidate:/, '')
    .trim()
    .split(/ +/)
  const [foundation = '', component, transport = '', priority = '', ip = '', port = '', typ, type = ''] =
    words
  if (!ICE_CHARS.test(foundation)) throw wrong('foundation')
  if (component !== '1') throw wrong('component')
  const protocol = readTransport(transport.toLowerCase())
  const value = readNumber(priority, MAX_PRIORITY, 'priority')
  if (value < 1) throw wrong('priority')
  const address = readAddress(ip, port, protocol)
  if (typ !== 'typ') throw wrong('typ')
  const extensions = readExtensions(words.slice(8))
  const tcpType = readTcpType(extensions.get('tcptype'))
  if ((protocol === 'tcp') !== (tcpType !== undefined)) throw wrong('tcptype')
  // An active candidate is never dialled: its port is 9 by RFC 6544 §4.5. All others are.
  if (address.port === 0 && tcpType !== 'active') throw wrong('port')
  const related = readRelated(extensions, protocol)
  return {
    type: readType(type),
    address,
    priority: value,
    foundation,
    ...(tcpType === undefined ? {} : { tcpType }),
    ...(related === undefined ? {} : { related }),
  }
}

function readExtensions(words: readonly string[]): Map<string, string> {
  const extensions = new Map<string, string>()
  for (let i = 0; i + 1 < words.length; i += 2) extensions.set(words[i] ?? '', words[i + 1] ?? '')
  return extensions
}

function readTransport(text: string): 'udp' | 'tcp' {
  if (text !== 'udp' && text !== 'tcp') throw wrong('transport')
  return text
}

function readType(text: string): CandidateType {
  if (text !== 'host' && text !== 'srflx' && text !== 'prflx' && text !== 'relay') throw wrong('type')
  return text
}

function readTcpType(text: string | undefined): TcpType | undefined {
  if (text !== undefined && text !== 'active' && text !== 'passive' && text !== 'so') throw wrong('tcptype')
  return text
}

function readNumber(text: string, max: number, what: string): number {
  const value = Number(text)
  if (!NUMBER.test(text) || value > max) throw wrong(what)
  return value
}

function readAddress(ip: string, port: string, transport: 'udp' | 'tcp'): TransportAddress {
  // A zone would name an interface of ours: no peer knows one.
  if (!isIp(ip) || ip.includes('%')) throw wrong('address')
  return transportAddress(ip, readNumber(port, 65_535, 'port'), transport)
}

function readRelated(
  extensions: Map<string, string>,
  transport: 'udp' | 'tcp',
): TransportAddress | undefined {
  const ip = extensions.get('raddr')
  const port = extensions.get('rport')
  if (ip === undefined || port === undefined) return undefined
  return readAddress(ip, port, transport)
}

function wrong(what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `not a candidate that we can use: ${what}`, { details: { what } })
}
