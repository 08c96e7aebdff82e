import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import { transportAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'

/** What both sides of a punch tell each other over the relayed session. */
export type PunchMessage =
  /** "My sockets of this round are open, and this is how the outside sees them." */
  | {
      readonly kind: 'ready'
      readonly round: number
      /** All addresses seen: a NAT may use several IPs. */
      readonly addresses: readonly TransportAddress[]
      /** The lowest and highest port that this side may get, widened by what a sample misses. */
      readonly min: number
      readonly max: number
      /** From one port to the next; 0 when there is no such step. */
      readonly step: number
    }
  /** "Start now; I do so when this has reached you." Sent by the controlling side. */
  | { readonly kind: 'go'; readonly round: number }
  /** "I have given up; `heard`: checks of yours reached me", so that both know of a direction that works. */
  | { readonly kind: 'over'; readonly round: number; readonly heard: boolean }

/** Ours: a NAT with more public IPs for one host is not punched through anyway. */
export const MAX_ANNOUNCED = 8
const MAX_LENGTH = 2048
const MAX_ROUND = 64

/** A message as JSON text. */
export function encodePunchMessage(message: PunchMessage): string {
  if (message.kind !== 'ready') return JSON.stringify(message)
  const addresses = message.addresses.map(({ ip, port }) => ({ ip, port }))
  return JSON.stringify({ ...message, addresses })
}

/** Reads what a peer sent, who may lie: see {@link PunchMachine} for what it can't make us do. @throws {ReachError} ERR_REACH_DECODE */
export function decodePunchMessage(text: string): PunchMessage {
  if (text.length > MAX_LENGTH) throw wrong('is too long')
  const reader = JsonReader.parse(text, 'a punch message')
  const kind = reader.text('kind', 8)
  const round = reader.count('round')
  if (round > MAX_ROUND) throw wrong('has a round that is too high')
  if (kind === 'go') return { kind, round }
  if (kind === 'over') return { kind, round, heard: reader.flag('heard') }
  if (kind !== 'ready') throw wrong('has an unknown kind')
  const addresses = reader.objects('addresses', MAX_ANNOUNCED).map(readAddress)
  const [min, max] = [reader.count('min'), reader.count('max')]
  if (min < 1 || max > 65_535 || min > max) throw wrong('has no port range')
  return { kind, round, addresses, min, max, step: readStep(reader) }
}

function readAddress(reader: JsonReader): TransportAddress {
  const port = reader.count('port')
  if (port < 1 || port > 65_535) throw wrong('has an address without a port')
  try {
    return transportAddress(reader.text('ip', 45), port)
  } catch (error) {
    throw new ReachError('ERR_REACH_DECODE', 'a punch message has an address that is none', { cause: error })
  }
}

function readStep(reader: JsonReader): number {
  const size = reader.has('step') ? reader.integer('step') : 0
  if (Math.abs(size) > 1024) throw wrong('has a step that is none')
  return size
}

function wrong(what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `a punch message ${what}`)
}
