import { createHash } from 'node:crypto'
import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import type { Endpoint } from '../../base/endpoint.ts'
import { formatEndpoint, parseEndpoint } from '../../base/endpoint.ts'
import { ReachError } from '../../base/errors.ts'
import { sameBytes } from '../../base/same-bytes.ts'
import { Secret } from '../../base/secret.ts'
import { decodeZBase32, encodeZBase32 } from '../../base/z-base-32.ts'

/**
 * All that it takes to join a network, as one string for a chat or a QR code:
 *
 *     p2pr1 · z-base-32 of: 32 B SHA-256 of the root's SubjectPublicKeyInfo · 8 B token id · 16 B secret · 1 B number of
 *     relays · each: 1 B length, HOST:PORT in ASCII · 4 B checksum: the first bytes of the SHA-256 of what precedes
 */
export interface JoinString {
  /** In hex. Whoever can't prove a chain to this root is not shown the token. */
  readonly rootSha256: string
  /** In hex. Not secret: it stands in logs. */
  readonly tokenId: string
  /** In hex. */
  readonly secret: Secret
  /** Where the network can be joined; at least one. */
  readonly relays: readonly Endpoint[]
}

const PREFIX = 'p2pr1'
const ROOT_LENGTH = 32
/** Bytes of a token's id. */
export const TOKEN_ID_LENGTH = 8
/** Bytes of a token's secret: 128 bits can't be guessed. */
export const TOKEN_SECRET_LENGTH = 16
const CHECKSUM_LENGTH = 4
/** Ours: the string stays short enough for a QR code. */
export const MAX_JOIN_RELAYS = 4

/** @throws {RangeError} when a relay's address is too long, or there are none or too many */
export function formatJoinString({ rootSha256, tokenId, secret, relays }: JoinString): string {
  if (relays.length < 1 || relays.length > MAX_JOIN_RELAYS) throw new RangeError(`${relays.length} relays`)
  const writer = new ByteWriter()
    .bytes(Buffer.from(rootSha256, 'hex'))
    .bytes(Buffer.from(tokenId, 'hex'))
    .bytes(Buffer.from(secret.reveal(), 'hex'))
    .u8(relays.length)
  for (const relay of relays) {
    const text = Buffer.from(formatEndpoint(relay), 'ascii')
    writer.u8(text.length).bytes(text)
  }
  writer.bytes(checksumOf(writer.peek()))
  return PREFIX + encodeZBase32(writer.finish())
}

/**
 * Reads what a person pasted: spaces, line breaks and capitals do no harm. No error quotes the string: it is a secret.
 * @throws {ReachError} ERR_REACH_JOIN_STRING
 */
export function parseJoinString(text: string): JoinString {
  const compact = text.replace(/\s+/g, '').toLowerCase()
  if (!compact.startsWith(PREFIX)) {
    const isNewer = /^p2pr[0-9]/.test(compact)
    throw invalid(
      isNewer ? 'it is of another version' : `it does not start with ${PREFIX}`,
      isNewer ? 'update p2p-reach' : RETRY,
    )
  }
  try {
    return decodeBody(decodeZBase32(compact.slice(PREFIX.length)))
  } catch (error) {
    // Without a cause, which would quote letters of the secret.
    if (ReachError.is(error, 'ERR_REACH_JOIN_STRING')) throw error
    throw invalid('it is cut off or has a typing error', RETRY)
  }
}

/** True for a text that means to be a join string. */
export function isJoinString(text: string): boolean {
  return /^\s*p2pr[0-9]/i.test(text)
}

const RETRY = 'copy the whole string that  p2p-reach invite  printed'

function decodeBody(bytes: Uint8Array): JoinString {
  const payload = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_LENGTH))
  if (!sameBytes(checksumOf(payload), bytes.subarray(payload.length))) {
    throw invalid('it is cut off or has a typing error', RETRY)
  }
  const reader = new ByteReader(payload)
  const hex = (length: number, field: string) => Buffer.from(reader.bytes(length, field)).toString('hex')
  const rootSha256 = hex(ROOT_LENGTH, 'root')
  const tokenId = hex(TOKEN_ID_LENGTH, 'token id')
  const secret = new Secret(hex(TOKEN_SECRET_LENGTH, 'secret'))
  const count = reader.u8('relays')
  if (count < 1 || count > MAX_JOIN_RELAYS) throw invalid('it names no relay', RETRY)
  const relays = Array.from({ length: count }, () =>
    parseEndpoint(Buffer.from(reader.bytes(reader.u8('length'), 'relay')).toString('latin1')),
  )
  if (reader.remaining > 0) throw invalid('it is too long', RETRY)
  return { rootSha256, tokenId, secret, relays }
}

function checksumOf(payload: Uint8Array): Uint8Array {
  return createHash('sha256').update(payload).digest().subarray(0, CHECKSUM_LENGTH)
}

function invalid(why: string, hint: string): ReachError {
  return new ReachError('ERR_REACH_JOIN_STRING', `that is no join string: ${why}`, { hint })
}
