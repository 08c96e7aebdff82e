import { ReachError } from '../../lib/base/errors.ts'
import { ByteReader } from '../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../lib/base/byte-writer.ts'
import { ipToBytes } from '../../lib/base/transport-address.ts'

/** RFC 1035 §3.2: the two record types that a demo needs, and the class of the internet. */
const TYPE_A = 1
const TYPE_AAAA = 28
const CLASS_IN = 1
/** RFC 1035 §4.1.1: a response, authoritative, recursion as desired and available. */
const RESPONSE_FLAGS = 0x8580
/** RFC 1035 §4.1.1: the response bit and the opcode; a standard query has neither. */
const KIND_MASK = 0xf800
/** RFC 1035 §2.3.4. */
const MAX_LABEL_LENGTH = 63
const RCODE_NO_SUCH_NAME = 3
const HEADER_LENGTH = 12
/** RFC 1035 §4.1.4: a pointer to the name in the question. */
const POINTER_TO_QUESTION = 0xc000 | HEADER_LENGTH
const TTL_S = 60

/**
 * Answers a DNS query (RFC 1035) from a table of names: what exists, with its addresses; all else does not exist.
 * Undefined for what is no query with one question.
 * @param zone names in lower case, and their IPs
 */
export function answerQuery(
  query: Uint8Array,
  zone: ReadonlyMap<string, readonly string[]>,
): Uint8Array | undefined {
  try {
    const reader = new ByteReader(query)
    const id = reader.u16('id')
    const isQuery = (reader.u16('flags') & KIND_MASK) === 0
    const questions = reader.u16('question count')
    if (!isQuery || questions !== 1) return undefined
    reader.skip(6, 'other counts')
    const name = readName(reader)
    const type = reader.u16('type')
    const recordClass = reader.u16('class')
    const ips = zone.get(name.toLowerCase())
    const records = (ips ?? [])
      .map(ipToBytes)
      .filter(({ length }) => (type === TYPE_A && length === 4) || (type === TYPE_AAAA && length === 16))
    const answers = recordClass === CLASS_IN ? records : []
    const writer = new ByteWriter(512)
      .u16(id)
      .u16(RESPONSE_FLAGS | (ips === undefined ? RCODE_NO_SUCH_NAME : 0))
    writer.u16(1).u16(answers.length).u16(0).u16(0).bytes(query.subarray(HEADER_LENGTH, reader.offset))
    for (const ip of answers)
      writer.u16(POINTER_TO_QUESTION).u16(type).u16(CLASS_IN).u32(TTL_S).u16(ip.length).bytes(ip)
    return writer.finish()
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined // garbage gets no answer
    throw error
  }
}

function readName(reader: ByteReader): string {
  const labels: string[] = []
  for (let length = reader.u8('label length'); length > 0; length = reader.u8('label length')) {
    // More is a pointer (RFC 1035 §4.1.4), which a question has no use for.
    if (length > MAX_LABEL_LENGTH) throw new ReachError('ERR_REACH_DECODE', `a label of ${length} bytes`)
    labels.push(new TextDecoder().decode(reader.bytes(length, 'label')))
  }
  return labels.join('.')
}
