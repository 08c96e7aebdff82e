import { createHash } from 'node:crypto'
import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import type { Endpoint } from '../../base/endpoint.ts'
import { formatEndpoint, parseEndpoint } from '../../base/endpoint.ts'
import { ReachError } from '../../base/errors.ts'
import { sameBytes } from '../../base/same-bytes.ts'
import { Secret } from '../../base/secret.ts'
import { parseSshUrl } from '../../base/ssh-url.ts'
import { decodeZBase32, encodeZBase32 } from '../../base/z-base-32.ts'

/**
 * All that it takes to join a network, as one string for a chat or a QR code:
 *
 *     p2pr1 · z-base-32 of: 32 B SHA-256 of the root's SubjectPublicKeyInfo · 8 B token id · 16 B secret · 1 B number of
 *     relays · each: 1 B length, HOST:PORT in ASCII · 4 B checksum: the first bytes of the SHA-256 of what precedes
 *
 * `p2pr2` has a second list of that form before the checksum: URLs of SSH servers, each with the pin of its host key.
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
  /** URLs of SSH servers where members meet when no relay can be reached, each with the pin of its host key. */
  readonly ssh: readonly string[]
}

const PREFIX = 'p2pr1'
const PREFIX_SSH = 'p2pr2'
const ROOT_LENGTH = 32
/** Bytes of a token's id. */
export const TOKEN_ID_LENGTH = 8
/** Bytes of a token's secret: 128 bits can't be guessed. */
export const TOKEN_SECRET_LENGTH = 16
const CHECKSUM_LENGTH = 4
/** Ours: the string stays short enough for a QR code. */
export const MAX_JOIN_RELAYS = 4
export const MAX_JOIN_SSH = 4

/** @throws {RangeError} when an address is too long, or there are no relays, or too many of either kind */
export function formatJoinString(parts: Omit<JoinString, 'ssh'> & Partial<JoinString>): string {
  const { rootSha256, tokenId, secret, relays, ssh = [] } = parts
  if (relays.length < 1 || relays.length > MAX_JOIN_RELAYS) throw new RangeError(`${relays.length} relays`)
  if (ssh.length > MAX_JOIN_SSH) throw new RangeError(`${ssh.length} SSH servers`)
  const writer = new ByteWriter()
    .bytes(Buffer.from(rootSha256, 'hex'))
    .bytes(Buffer.from(tokenId, 'hex'))
    .bytes(Buffer.from(secret.reveal(), 'hex'))
  writeTexts(writer, relays.map(formatEndpoint))
  if (ssh.length > 0) writeTexts(writer, ssh)
  writer.bytes(checksumOf(writer.peek()))
  // Who knows the first version only can join whatever needs no other.
  return (ssh.length > 0 ? PREFIX_SSH : PREFIX) + encodeZBase32(writer.finish())
}

function writeTexts(writer: ByteWriter, texts: readonly string[]): void {
  writer.u8(texts.length)
  for (const text of texts) writer.u8(text.length).bytes(Buffer.from(text, 'ascii'))
}

/**
 * Reads what a person pasted: spaces, line breaks and capitals do no harm. No error quotes the string: it is a secret.
 * @throws {ReachError} ERR_REACH_JOIN_STRING
 */
export function parseJoinString(text: string): JoinString {
  const compact = text.replace(/\s+/g, '').toLowerCase()
  const hasSsh = compact.startsWith(PREFIX_SSH)
  if (!hasSsh && !compact.startsWith(PREFIX)) {
    const isNewer = /^p2pr[0-9]/.test(compact)
    throw invalid(
      isNewer ? 'it is of another version' : `it does not start with ${PREFIX}`,
      isNewer ? 'update p2p-reach' : RETRY,
    )
  }
  try {
    return decodeBody(decodeZBase32(compact.slice(PREFIX.length)), hasSsh)
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

function decodeBody(bytes: Uint8Array, hasSsh: boolean): JoinString {
  const payload = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_LENGTH))
  if (!sameBytes(checksumOf(payload), bytes.subarray(payload.length))) {
    throw invalid('it is cut off or has a typing error', RETRY)
  }
  const reader = new ByteReader(payload)
  const hex = (length: number, field: string) => Buffer.from(reader.bytes(length, field)).toString('hex')
  const rootSha256 = hex(ROOT_LENGTH, 'root')
  const tokenId = hex(TOKEN_ID_LENGTH, 'token id')
  const secret = new Secret(hex(TOKEN_SECRET_LENGTH, 'secret'))
  const relays = readTexts(reader).map((text) => parseEndpoint(text))
  if (relays.length < 1 || relays.length > MAX_JOIN_RELAYS) throw invalid('it names no relay', RETRY)
  const ssh = hasSsh ? readTexts(reader) : []
  if (ssh.length > MAX_JOIN_SSH || ssh.some((url) => parseSshUrl(url).pin === undefined))
    throw invalid('it names no SSH server with its host key', RETRY)
  if (reader.remaining > 0) throw invalid('it is too long', RETRY)
  return { rootSha256, tokenId, secret, relays, ssh }
}

function readTexts(reader: ByteReader): readonly string[] {
  return Array.from({ length: reader.u8('count') }, () =>
    Buffer.from(reader.bytes(reader.u8('length'), 'address')).toString('latin1'),
  )
}

function checksumOf(payload: Uint8Array): Uint8Array {
  return createHash('sha256').update(payload).digest().subarray(0, CHECKSUM_LENGTH)
}

function invalid(why: string, hint: string): ReachError {
  return new ReachError('ERR_REACH_JOIN_STRING', `that is no join string: ${why}`, { hint })
}
