import { decode, encode } from 'dns-packet'
import type { Answer, Packet, Question, RecordType } from 'dns-packet'
import { ReachError } from '../../base/errors.ts'
import { isIp } from '../../base/transport-address.ts'

/** A question of a DNS message. */
export interface DnsQuestion {
  readonly name: string
  /** `PTR`, `SRV`, `ANY`, …; those that we don't know have a name, too. */
  readonly type: string
  /** The answer may come to the asker alone (RFC 6762 §5.4). */
  readonly isUnicast: boolean
}

interface RecordHead {
  readonly name: string
  /** How long it holds, in seconds; 0 takes it back (RFC 6762 §10.1). */
  readonly ttlS: number
  /** It replaces others of its name and type (RFC 6762 §10.2). */
  readonly isOnly: boolean
}

/** A record of one of the types that we use. */
export type DnsRecord = RecordHead &
  (
    | { readonly type: 'PTR'; readonly target: string }
    | { readonly type: 'SRV'; readonly port: number; readonly target: string }
    | { readonly type: 'TXT'; readonly texts: readonly string[] }
    | { readonly type: 'A' | 'AAAA'; readonly ip: string }
  )

/** A DNS message as multicast DNS uses it; records of other types are left out. */
export interface DnsMessage {
  readonly id: number
  readonly isResponse: boolean
  /** Of a query: more known answers follow in another one (RFC 6762 §7.2). */
  readonly isTruncated: boolean
  readonly questions: readonly DnsQuestion[]
  /** Of a query: what the asker knows already (RFC 6762 §7.1). */
  readonly answers: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

/** RFC 6762 §17. */
const MAX_MESSAGE = 9000
/** Ours: a message that fits an Ethernet frame has a third of it; the codec allocates by what the header claims. */
const MAX_ENTRIES = 128
const HEADER_LENGTH = 12

const AUTHORITATIVE = 1 << 10
/** What the codec makes of class IN with the bit of RFC 6762 §5.4. */
const UNICAST_CLASS = 'UNKNOWN_32769'

/** Writes a message, names in full: the messages of one service fit into one packet without compression. */
export function encodeDns(message: DnsMessage): Uint8Array {
  const packet: Packet = {
    type: message.isResponse ? 'response' : 'query',
    id: message.id,
    flags: message.isResponse ? AUTHORITATIVE : 0,
    questions: message.questions.map(toQuestion),
    answers: message.answers.map(toAnswer),
    additionals: message.additionals.map(toAnswer),
  }
  return Uint8Array.from(encode(packet))
}

/** Reads a message. @throws {ReachError} ERR_REACH_DECODE */
export function decodeDns(bytes: Uint8Array): DnsMessage {
  const entries = entryCount(bytes)
  if (bytes.length > MAX_MESSAGE || entries === undefined || entries > MAX_ENTRIES) throw notDns('its size')
  let packet: Packet & { readonly flag_tc?: boolean; readonly opcode?: string; readonly rcode?: string }
  try {
    packet = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  } catch (error) {
    throw notDns('its records', error)
  }
  // RFC 6762 §18.3 and §18.11: others are ignored without a word.
  if (packet.opcode !== 'QUERY' || packet.rcode !== 'NOERROR') throw notDns('its purpose')
  const { questions = [], answers = [], additionals = [] } = packet
  return {
    id: packet.id ?? 0,
    isResponse: packet.type === 'response',
    isTruncated: packet.flag_tc === true,
    questions: questions.map(({ name, type, class: klass }) => ({
      ...{ name, type },
      isUnicast: String(klass) === UNICAST_CLASS,
    })),
    answers: answers.flatMap(toRecord),
    additionals: additionals.flatMap(toRecord),
  }
}

/** What the four counts of the header add up to. */
function entryCount(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEADER_LENGTH) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return [4, 6, 8, 10].reduce((sum, at) => sum + view.getUint16(at), 0)
}

/** What we ask, or say again to who asked it; ANY is missing from the codec's types. */
const QUESTION_TYPES: readonly string[] = ['PTR', 'SRV', 'TXT', 'A', 'AAAA', 'ANY']

function toQuestion({ name, type }: DnsQuestion): Question {
  if (!QUESTION_TYPES.includes(type)) throw new RangeError(`nobody here asks for ${type}`)
  return { name, type: type as RecordType, class: 'IN' }
}

function toAnswer(record: DnsRecord): Answer {
  const head = { name: record.name, ttl: record.ttlS, flush: record.isOnly, class: 'IN' } as const
  switch (record.type) {
    case 'PTR':
      return { ...head, type: 'PTR', data: record.target }
    case 'SRV':
      return { ...head, type: 'SRV', data: { port: record.port, target: record.target } }
    case 'TXT':
      return { ...head, type: 'TXT', data: [...record.texts] }
    case 'A':
    case 'AAAA':
      return { ...head, type: record.type, data: record.ip }
  }
}

/** The record in a list, or an empty one for a record that is none of ours. */
function toRecord(answer: Answer): readonly DnsRecord[] {
  if (!('ttl' in answer) || answer.class !== 'IN') return []
  const head = { name: answer.name, ttlS: answer.ttl ?? 0, isOnly: answer.flush === true }
  switch (answer.type) {
    case 'PTR':
      return [{ ...head, type: 'PTR', target: answer.data }]
    case 'SRV':
      return [{ ...head, type: 'SRV', port: answer.data.port, target: answer.data.target }]
    case 'TXT':
      return [{ ...head, type: 'TXT', texts: [answer.data].flat().map((text) => text.toString()) }]
    case 'A':
    case 'AAAA':
      return isIp(answer.data) ? [{ ...head, type: answer.type, ip: answer.data }] : []
    default:
      return []
  }
}

function notDns(what: string, cause?: unknown): ReachError {
  return new ReachError('ERR_REACH_DECODE', `a DNS message can’t be read: ${what}`, { cause })
}
