import type { ErrorCode } from '../../base/errors.ts'
import { ERROR_CODES, ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import type { PeerId } from '../../base/peer-id.ts'
import { isPeerId } from '../../base/peer-id.ts'
import type { Role } from '../../base/peer-name.ts'
import { parseRole } from '../../base/peer-name.ts'
import { MAX_PORT, canonicalIp } from '../../base/transport-address.ts'
import type { PeerNetwork } from '../ice/pair-prediction.ts'
import { networkFields, readNetworkIfKnown } from '../signaling/nat-summary.ts'
import type { ProbeOutcome } from './probe-outcome.ts'
import { PROBE_OUTCOMES } from './probe-outcome.ts'
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
  /** The relay tells us of those who dial us. */
  | { readonly type: 'registered'; readonly id: number; readonly generation: number }
  /** The peer was told; the data leg will say when it is there. */
  | {
      readonly type: 'opening'
      readonly id: number
      readonly peerId: PeerId
      readonly name: string | undefined
    }
  | { readonly type: 'peers'; readonly id: number; readonly peers: readonly PresentPeer[] }
  | IncomingReply
  /** What became of a `prove`. */
  | { readonly type: 'tried'; readonly id: number; readonly outcome: ProbeOutcome }
  /** Another connection has registered with our key: it gets the sessions. */
  | { readonly type: 'superseded'; readonly generation: number }
  /** The relay ends, and hopes to be back after that time. */
  | { readonly type: 'restarting'; readonly delayMs: number }
  | { readonly type: 'pong'; readonly id: number }
  /** Of a later version: ignored. */
  | { readonly type: 'unknown'; readonly name: string }

/** Somebody wants a session with us. */
export interface IncomingReply {
  readonly type: 'incoming'
  /** In base64, for our data leg. */
  readonly ticket: string
  /** Who, as the relay knows it. */
  readonly peerId: PeerId
  readonly name: string | undefined
}

/** Somebody who takes sessions. */
export interface PresentPeer {
  readonly peerId: PeerId
  readonly name: string | undefined
  /** Calendar time of the relay, in milliseconds since 1970. */
  readonly sinceMs: number
  /** What it says of its own network; undefined when it says nothing, or nothing that we understand. */
  readonly nat: PeerNetwork | undefined
}

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
  /** The IP that we come from, as the relay sees it: where `prove` leads. Undefined: the relay knows no `prove`. */
  readonly seenAs: string | undefined
  /** SHA-256 of the public key of the certificate that the relay shows the web; undefined for an older relay. */
  readonly webKey: string | undefined
  /** UDP ports of the relay's host that answer STUN. Undefined: an older relay, which does not say. */
  readonly stunPorts: readonly number[] | undefined
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
/** Ours: members of one network at one relay; more are not listed. */
export const MAX_PEERS = 10_000
/** Ours: more than anybody would try. */
export const MAX_RELAYS = 32
/** Ours: a relay has one or two; each one more is a packet that a member sends. */
export const MAX_STUN_PORTS = 8

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
        seenAs: reader.optional('seenAs', readIp),
        webKey: reader.optional('webKey', (field) => field.text('webKey', 64)),
        stunPorts: reader.optional('stunPorts', readStunPorts),
        ...readState(reader),
      }
    case 'deny-list':
    case 'root-set':
      return { type, statement: readWireStatement(reader.object('statement')) }
    case 'admin-result':
      return { type, id: reader.count('id'), result: reader.object('result') }
    case 'refused':
      return readRefusal(reader)
    case 'registered':
      return { type, id: reader.count('id'), generation: reader.count('generation') }
    case 'opening':
      return { type, id: reader.count('id'), ...readPeer(reader) }
    case 'peers':
      return { type, id: reader.count('id'), peers: reader.objects('peers', MAX_PEERS).map(readPresent) }
    case 'incoming':
      return { type, ticket: reader.text('ticket', 64), ...readPeer(reader) }
    case 'tried':
      return { type, id: reader.count('id'), outcome: readOutcome(reader.text('outcome', 64)) }
    case 'superseded':
      return { type, generation: reader.count('generation') }
    case 'restarting':
      return { type, delayMs: reader.count('delayMs') }
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

function readPeer(reader: JsonReader): { readonly peerId: PeerId; readonly name: string | undefined } {
  return {
    peerId: readPeerId(reader.text('peerId', 64)),
    name: reader.optional('name', (own) => own.text('name', 64)),
  }
}

/** As fields of a JSON object: what {@link decodeControlReply} reads. */
export function presentFields({
  peerId,
  name,
  sinceMs,
  nat,
}: PresentPeer): Readonly<Record<string, unknown>> {
  return { peerId, name, sinceMs, ...(nat === undefined ? {} : { nat: networkFields(nat) }) }
}

function readPresent(reader: JsonReader): PresentPeer {
  return {
    ...readPeer(reader),
    sinceMs: reader.count('sinceMs'),
    nat: reader.optional('nat', (fields) => readNetworkIfKnown(fields, 'nat')),
  }
}

function readStunPorts(reader: JsonReader): readonly number[] {
  const ports = reader.counts('stunPorts', MAX_STUN_PORTS)
  if (ports.every((port) => port >= 1 && port <= MAX_PORT)) return ports
  throw new ReachError('ERR_REACH_DECODE', 'a control reply has no port where one belongs')
}

/** One of a later version says no more than that it failed. */
function readOutcome(text: string): ProbeOutcome {
  return PROBE_OUTCOMES.find((outcome) => outcome === text) ?? 'failed'
}

function readIp(reader: JsonReader): string {
  try {
    return canonicalIp(reader.text('seenAs', 128))
  } catch (error) {
    throw new ReachError('ERR_REACH_DECODE', 'a control reply has no IP where one belongs', { cause: error })
  }
}

function readPeerId(text: string): PeerId {
  if (isPeerId(text)) return text
  throw new ReachError('ERR_REACH_DECODE', 'a control reply has no PeerId where one belongs')
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
