import { ByteReader } from '../../base/byte-reader.ts'
import { ReachError } from '../../base/errors.ts'
import { readOffset } from './offset.ts'
import { RECORD_TYPES } from './record-type.ts'
import type { RecordWriter } from './record-writer.ts'
import { REFUSAL_NUMBERS, refusalOf } from './refusal.ts'
import type { KnownRefusal, Refusal } from './refusal.ts'

/** The version of the link that this code speaks; the first byte of ATTACH and ACCEPT. */
export const LINK_VERSION = 1

/** Bytes of a session id: 128 random bits that nobody guesses. */
export const SESSION_ID_LENGTH = 16

const MAY_CREATE = 1
const FROM_INITIATOR = 2
const ATTACH_ALONE = 4
const ACCEPT_ALONE = 1

/** Which side created the session. The mux above numbers its streams by it. */
export type LinkRole = 'initiator' | 'responder'

/**
 * ATTACH (0x01), dialler → accepter: this path is for that session.
 *
 *     version u8 · flags u8 (1 may create the session, 2 from its initiator, 4 no other path) · session id 16 B ·
 *     generation u32 · received u64 · resume time in ms u32
 *
 * Longer is allowed and ignored, for later versions.
 */
export interface AttachRequest {
  readonly version: number
  /** The session may be created when it does not exist: no path of it was ever accepted. */
  readonly mayCreate: boolean
  /** The sender's role in the session, which need not be that of the dialler. */
  readonly senderRole: LinkRole
  /** The sender has no other path left: others are to be dropped at once. */
  readonly isAlone: boolean
  readonly sessionId: Uint8Array
  /** Counts the attempts of this sender in this session, from 1. */
  readonly generation: number
  /** The offset that the sender wants next. */
  readonly received: number
  /** For how long the sender keeps the session without a path, in ms; the shorter of both sides' counts. */
  readonly resumeTimeMs: number
}

/**
 * ACCEPT (0x02), accepter → dialler.
 *
 *     version u8 · flags u8 (1 no other path) · received u64 · resume time in ms u32
 */
export interface AttachReply {
  readonly version: number
  readonly isAlone: boolean
  readonly received: number
  readonly resumeTimeMs: number
}

export function writeAttach(writer: RecordWriter, request: AttachRequest): void {
  const flags =
    (request.mayCreate ? MAY_CREATE : 0) |
    (request.senderRole === 'initiator' ? FROM_INITIATOR : 0) |
    (request.isAlone ? ATTACH_ALONE : 0)
  writer
    .header(RECORD_TYPES.attach, 34)
    .u8(request.version)
    .u8(flags)
    .bytes(request.sessionId)
    .u32(request.generation)
    .offset(request.received)
    .u32(request.resumeTimeMs)
}

/** @throws {ReachError} ERR_REACH_DECODE. The fields behind the version are read as those of version 1. */
export function decodeAttach(body: Uint8Array): AttachRequest {
  const reader = new ByteReader(body)
  const version = reader.u8('version')
  const flags = reader.u8('flags')
  return {
    version,
    mayCreate: (flags & MAY_CREATE) !== 0,
    senderRole: (flags & FROM_INITIATOR) === 0 ? 'responder' : 'initiator',
    isAlone: (flags & ATTACH_ALONE) !== 0,
    // A copy: it outlives the chunk that it came in.
    sessionId: reader.bytes(SESSION_ID_LENGTH, 'session id').slice(),
    generation: reader.u32('generation'),
    received: readOffset(reader, 'received'),
    resumeTimeMs: reader.u32('resume time'),
  }
}

export function writeAccept(writer: RecordWriter, reply: AttachReply): void {
  writer
    .header(RECORD_TYPES.accept, 14)
    .u8(reply.version)
    .u8(reply.isAlone ? ACCEPT_ALONE : 0)
    .offset(reply.received)
    .u32(reply.resumeTimeMs)
}

/** @throws {ReachError} ERR_REACH_DECODE, also for a version that we don't speak */
export function decodeAccept(body: Uint8Array): AttachReply {
  const reader = new ByteReader(body)
  const version = reader.u8('version')
  if (version !== LINK_VERSION) {
    throw new ReachError('ERR_REACH_DECODE', `the answer is of version ${version}`, { details: { version } })
  }
  return {
    version,
    isAlone: (reader.u8('flags') & ACCEPT_ALONE) !== 0,
    received: readOffset(reader, 'received'),
    resumeTimeMs: reader.u32('resume time'),
  }
}

/** REFUSE (0x03), accepter → dialler: `refusal u8`. */
export function writeRefuse(writer: RecordWriter, refusal: KnownRefusal): void {
  writer.header(RECORD_TYPES.refuse, 1).u8(REFUSAL_NUMBERS[refusal])
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodeRefuse(body: Uint8Array): Refusal {
  return refusalOf(new ByteReader(body).u8('refusal'))
}
