import type { ErrorCode } from '../../base/errors.ts'
import { ERROR_CODES, ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import type { Role } from '../../base/peer-name.ts'
import { parseRole } from '../../base/peer-name.ts'
import type { WireStatement } from './wire-statement.ts'
import { readWireStatement } from './wire-statement.ts'

/** What a relay says to a member, or to somebody who wants to become one (docs/wire.md). Bytes are in base64. */
export type ControlReply =
  | NetworkReply
  | IssuedReply
  | WelcomeReply
  | { readonly type: 'deny-list'; readonly statement: WireStatement }
  | { readonly type: 'root-set'; readonly statement: WireStatement }
  /** The answer to an `admin` request, of a form that depends on it. */
  | { readonly type: 'admin-result'; readonly id: number; readonly result: JsonReader }
  | RefusedReply
  | { readonly type: 'pong'; readonly id: number }
  /** Of a later version: ignored. */
  | { readonly type: 'unknown'; readonly name: string }

/** Which network this is, to be believed only when its root is the one that the join string names. */
export interface NetworkReply {
  readonly type: 'network'
  /** The relay's calendar time in milliseconds since 1970. */
  readonly timeMs: number
  readonly rootSet: WireStatement
}

/** A certificate, and everything that a member needs beside it. */
export interface IssuedReply extends NetworkState {
  readonly type: 'issued'
  readonly timeMs: number
  /** Certificates in DER, leaf first, up to below a root. */
  readonly chain: readonly string[]
}

/** The relay knows the member. */
export interface WelcomeReply extends NetworkState {
  readonly type: 'welcome'
  readonly timeMs: number
  readonly name: string
  readonly roles: readonly Role[]
  /** The member's certificate has expired, or its issuer was replaced: it may renew, and nothing else. */
  readonly mustRenew: boolean
}

/** What every member should know of its network. */
export interface NetworkState {
  readonly rootSet: WireStatement
  readonly denyList: WireStatement | undefined
  /** Relays of the network as HOST:PORT, best first. */
  readonly relays: readonly string[]
  /** How long after its end a certificate can still be renewed. */
  readonly renewGraceMs: number
}

/** A request was refused. The connection goes on only after an `admin` or `renew` request. */
export interface RefusedReply {
  readonly type: 'refused'
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string | undefined
  /** Of the `admin` request. */
  readonly id: number | undefined
  /** The relay's calendar time in milliseconds since 1970. */
  readonly timeMs: number
}

const MAX_CHAIN = 8
/** Ours: more than anybody would try. */
export const MAX_RELAYS = 32

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodeControlReply(text: string): ControlReply {
  const reader = JsonReader.parse(text, 'control reply')
  const type = reader.text('type', 64)
  switch (type) {
    case 'network':
      return { type, timeMs: reader.count('timeMs'), rootSet: readWireStatement(reader.object('rootSet')) }
    case 'issued':
      return {
        type,
        timeMs: reader.count('timeMs'),
        chain: reader.texts('chain', MAX_CHAIN),
        ...readState(reader),
      }
    case 'welcome':
      return {
        type,
        timeMs: reader.count('timeMs'),
        name: reader.text('name', 64),
        roles: reader.texts('roles', 8).map(readRole),
        mustRenew: reader.flag('mustRenew'),
        ...readState(reader),
      }
    case 'deny-list':
    case 'root-set':
      return { type, statement: readWireStatement(reader.object('statement')) }
    case 'admin-result':
      return { type, id: reader.count('id'), result: reader.object('result') }
    case 'refused':
      return readRefusal(reader)
    case 'pong':
      return { type, id: reader.count('id') }
    default:
      return { type: 'unknown', name: type }
  }
}

/** A refusal as an error of this side; what the relay wrote is kept printable. */
export function refusalError({ code, message, hint, timeMs }: RefusedReply): ReachError {
  return new ReachError(code, printable(message), {
    ...(hint === undefined ? {} : { hint: printable(hint) }),
    details: { by: 'relay', relayTimeMs: timeMs },
  })
}

function readState(reader: JsonReader): NetworkState {
  return {
    rootSet: readWireStatement(reader.object('rootSet')),
    denyList: reader.optional('denyList', (own) => readWireStatement(own.object('denyList'))),
    relays: reader.texts('relays', MAX_RELAYS),
    renewGraceMs: reader.count('renewGraceMs'),
  }
}

function readRefusal(reader: JsonReader): RefusedReply {
  const said = reader.text('code', 64)
  return {
    type: 'refused',
    code: ERROR_CODES.find((code) => code === said) ?? 'ERR_REACH_REQUEST_REFUSED',
    message: reader.text('message', 1024),
    hint: reader.optional('hint', (own) => own.text('hint', 1024)),
    id: reader.optional('id', (own) => own.count('id')),
    timeMs: reader.count('timeMs'),
  }
}

function readRole(text: string): Role {
  try {
    return parseRole(text)
  } catch (error) {
    throw new ReachError('ERR_REACH_DECODE', 'a control reply has an unknown role', { cause: error })
  }
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
}
