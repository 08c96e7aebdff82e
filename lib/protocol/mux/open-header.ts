import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ReachError } from '../../base/errors.ts'

/**
 * OPEN stands at the start of a stream's first payload, whole in the data frame that carries SYN; the first bytes of the
 * stream follow in the same frame. `1 B version · 2 B length of what follows · 1 B length of the service · service`.
 * A longer body is allowed and its rest ignored, for later versions. A version that is not known is refused for this
 * stream alone (reset `bad-open`): its length field is where it was.
 *
 * Version 2 has `1 B what it carries` behind the service. Datagrams need it: who ignored that byte would take their frames
 * for the bytes of a connection. Plain streams keep version 1, which everybody reads.
 */
export interface OpenHeader {
  /** 1 to 64 characters of `a-z 0-9 . _ -`, the first a letter or digit. */
  readonly service: string
  readonly carries: StreamContent
}

/** What a stream carries: `bytes` in order, or `datagrams`, each with its boundaries (docs/wire.md, "Flows"). */
export type StreamContent = 'bytes' | 'datagrams'

/** The versions that we write and read. */
export const OPEN_VERSION = 1
export const OPEN_VERSION_CONTENT = 2

/** Values of the byte of version 2. */
const CONTENTS = ['bytes', 'datagrams'] as const satisfies readonly StreamContent[]

/** Version and length: how much is to be read before the rest is known. */
export const OPEN_PREFIX_LENGTH = 3

/** Ours: as long as the longest label that people would still type. */
export const MAX_SERVICE_LENGTH = 64

/** Ours: room for later fields; caps what is collected for a peer whose stream nobody has looked at yet. */
export const MAX_OPEN_LENGTH = 1024

const encoder = new TextEncoder()

const SERVICE_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/

/** True for what may stand in OPEN as a service. */
export function isServiceName(text: string): boolean {
  return SERVICE_PATTERN.test(text)
}

/** @throws {RangeError} when the service is no name of a service */
export function encodeOpen(open: OpenHeader): Uint8Array {
  if (!isServiceName(open.service)) throw new RangeError('the service is no name of a service')
  const service = encoder.encode(open.service)
  const isPlain = open.carries === 'bytes'
  const writer = new ByteWriter(OPEN_PREFIX_LENGTH + 2 + service.length)
    .u8(isPlain ? OPEN_VERSION : OPEN_VERSION_CONTENT)
    .u16((isPlain ? 1 : 2) + service.length)
    .u8(service.length)
    .bytes(service)
  if (!isPlain) writer.u8(CONTENTS.indexOf(open.carries))
  return writer.finish()
}

/**
 * The length of an OPEN in all, of its first {@link OPEN_PREFIX_LENGTH} bytes.
 * @throws {ReachError} ERR_REACH_DECODE when it is over {@link MAX_OPEN_LENGTH}
 */
export function openLength(prefix: Uint8Array): number {
  const reader = new ByteReader(prefix)
  reader.skip(1, 'version')
  const length = OPEN_PREFIX_LENGTH + reader.u16('length')
  if (length > MAX_OPEN_LENGTH) throw malformed('length', length)
  return length
}

/** Reads a whole OPEN, of {@link openLength} bytes. @throws {ReachError} ERR_REACH_DECODE */
export function decodeOpen(bytes: Uint8Array): OpenHeader {
  const reader = new ByteReader(bytes)
  const version = reader.u8('version')
  if (version !== OPEN_VERSION && version !== OPEN_VERSION_CONTENT) throw malformed('version', version)
  const body = new ByteReader(reader.bytes(reader.u16('length'), 'body'))
  const text = body.bytes(body.u8('service length'), 'service')
  // Of ASCII only, so that two names which look the same are the same. Nothing else passes the pattern.
  const service = String.fromCharCode(...text)
  if (!isServiceName(service)) throw malformed('service', text.length)
  return { service, carries: version === OPEN_VERSION ? 'bytes' : contentOf(body.u8('what it carries')) }
}

function contentOf(value: number): StreamContent {
  const content = CONTENTS[value]
  if (content === undefined) throw malformed('what it carries', value)
  return content
}

function malformed(field: string, value: number): ReachError {
  return new ReachError('ERR_REACH_DECODE', `no OPEN has ${field} ${value}`, { details: { field, value } })
}
