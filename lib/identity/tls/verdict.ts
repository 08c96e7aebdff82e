import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ERROR_CODES, ReachError } from '../../base/errors.ts'
import type { ErrorCode } from '../../base/errors.ts'

/**
 * VERDICT: the first bytes that each side sends inside TLS, before anything else: whether it accepts the other. TLS
 * alerts can't say why a certificate was refused, and in TLS 1.3 a client may take the handshake for good by then.
 *
 *     1 B status: 0 accepted, 1 refused · when refused: 2 B length · that many bytes of UTF-8: the error code, a space,
 *     and a message for people
 */
export type Verdict = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly error: ReachError }

const ACCEPTED = 0
const REFUSED = 1
/** Ours: a code and a sentence. */
const MAX_TEXT_LENGTH = 1024

/** The accepting verdict. */
export function encodeAccepted(): Uint8Array {
  return Uint8Array.of(ACCEPTED)
}

/** A refusal as the other side will read it. */
export function encodeRefused(code: ErrorCode, message: string): Uint8Array {
  const text = Buffer.from(`${code} ${message}`, 'utf8').subarray(0, MAX_TEXT_LENGTH)
  return new ByteWriter().u8(REFUSED).u16(text.length).bytes(text).finish()
}

/**
 * Reads a verdict from the start of what came so far. Undefined when more must come.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeVerdict(
  bytes: Uint8Array,
): { readonly verdict: Verdict; readonly length: number } | undefined {
  const reader = new ByteReader(bytes)
  if (reader.remaining < 1) return undefined
  const status = reader.u8('status')
  if (status === ACCEPTED) return { verdict: { kind: 'accepted' }, length: 1 }
  if (status !== REFUSED) throw new ReachError('ERR_REACH_DECODE', `a verdict has the status ${status}`)
  if (reader.remaining < 2) return undefined
  const length = reader.u16('length')
  if (length > MAX_TEXT_LENGTH) throw new ReachError('ERR_REACH_DECODE', `a verdict has ${length} bytes`)
  if (reader.remaining < length) return undefined
  const text = Buffer.from(reader.bytes(length, 'text')).toString('utf8')
  return { verdict: { kind: 'refused', error: refusalOf(text) }, length: reader.offset }
}

/** Only codes that may refuse somebody are taken from the other side. */
function refusalOf(text: string): ReachError {
  const [said = '', ...words] = text.split(' ')
  const code = ERROR_CODES.find((known) => known === said && known.startsWith('ERR_REACH_TRUST_'))
  const message = words.join(' ').replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
  return new ReachError(code ?? 'ERR_REACH_TLS', `the other side does not trust us: ‘${message}’`, {
    details: { by: 'remote' },
  })
}
