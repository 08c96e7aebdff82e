import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { transportAddress } from '../../base/transport-address.ts'

/** What both sides of a simultaneous open tell each other. */
export type TcpPunchMessage =
  /** "My port of this round is ready, and this is how the outside sees it." */
  | { readonly kind: 'ready'; readonly round: number; readonly addresses: readonly TransportAddress[] }
  /** "Connect now; I do so when this has reached you." Sent by the controlling side. */
  | { readonly kind: 'go'; readonly round: number }

/** Ours: one address as seen from outside, one if the NAT keeps ports, for each of two families. */
export const MAX_TCP_ADDRESSES = 4
const MAX_LENGTH = 1024
const MAX_ROUND = 64

/** A message as JSON text. */
export function encodeTcpPunchMessage(message: TcpPunchMessage): string {
  if (message.kind === 'go') return JSON.stringify(message)
  return JSON.stringify({ ...message, addresses: message.addresses.map(({ ip, port }) => ({ ip, port })) })
}

/** Reads what a peer sent, who may lie about its addresses. @throws {ReachError} ERR_REACH_DECODE */
export function decodeTcpPunchMessage(text: string): TcpPunchMessage {
  if (text.length > MAX_LENGTH) throw wrong('is too long')
  const reader = JsonReader.parse(text, 'a message of a TCP punch')
  const kind = reader.text('kind', 8)
  const round = reader.count('round')
  if (round < 1 || round > MAX_ROUND) throw wrong('has no number of a round')
  if (kind === 'go') return { kind, round }
  if (kind !== 'ready') throw wrong('has an unknown kind')
  return { kind, round, addresses: reader.objects('addresses', MAX_TCP_ADDRESSES).map(readAddress) }
}

function readAddress(reader: JsonReader): TransportAddress {
  const port = reader.count('port')
  if (port < 1 || port > 65_535) throw wrong('has an address without a port')
  try {
    return transportAddress(reader.text('ip', 45), port, 'tcp')
  } catch (error) {
    throw new ReachError('ERR_REACH_DECODE', 'a message of a TCP punch has an address that is none', {
      cause: error,
    })
  }
}

function wrong(what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `a message of a TCP punch ${what}`)
}
