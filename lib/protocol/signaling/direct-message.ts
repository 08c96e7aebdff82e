import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import { canonicalIp } from '../../base/transport-address.ts'
import type { Candidate } from '../ice/candidate.ts'
import { MAX_CANDIDATE_LENGTH, formatCandidate, parseCandidate } from '../ice/candidate-text.ts'
import type { IceCredentials } from '../ice/connectivity-check.ts'
import { assertIceCredentials } from '../ice/connectivity-check.ts'
import type { NatSummary } from './nat-summary.ts'
import { networkFields, readNetwork } from './nat-summary.ts'

/** What both sides of an attempt at a direct path know from the start. */
export interface AttemptStart {
  /** Counts the attempts of a session, from 1; what belongs to an earlier one is dropped. */
  readonly attempt: number
  readonly credentials: IceCredentials
  /** Ids of our ends of streams over UDP, for what ICE finds and for what a punch finds; undefined: no paths over UDP. */
  readonly streams: StreamIds | undefined
  /** We make and take TCP connections. */
  readonly tcp: boolean
}

export interface StreamIds {
  readonly ice: number
  readonly punch: number
}

/** What two peers tell each other, inside their session, to find a direct path (docs/wire.md, "Direct paths"). */
export type DirectMessage =
  /** From the side that began the session. */
  | ({ readonly kind: 'offer' } & AttemptStart)
  | ({ readonly kind: 'answer' } & AttemptStart)
  | { readonly kind: 'candidate'; readonly attempt: number; readonly candidate: Candidate }
  /** No more candidates. */
  | { readonly kind: 'end'; readonly attempt: number }
  /** How our network over IPv4 treats UDP. It takes a while to know. */
  | { readonly kind: 'nat'; readonly attempt: number; readonly nat: NatSummary }
  /** A message of a punch, over UDP or TCP, as its own codec reads it. */
  | {
      readonly kind: 'punch'
      readonly attempt: number
      readonly transport: 'udp' | 'tcp'
      readonly text: string
    }
  /** From the side that was called: its turn for a punch of many packets comes only then. */
  | { readonly kind: 'later'; readonly attempt: number; readonly waitMs: number }
  /** From the side that began the session: there is a path over this transport, so nothing more is sent for one. */
  | { readonly kind: 'found'; readonly attempt: number; readonly transport: 'udp' | 'tcp' }
  /** The attempt is over for us: what was tried. */
  | { readonly kind: 'over'; readonly attempt: number; readonly tried: TriedSummary }
  /** From the side that was called: its network has changed, begin another attempt. */
  | { readonly kind: 'again' }

/** What one side has tried, for the sentence that says why a connection is relayed. */
export interface TriedSummary {
  /** The recipe of the punch over UDP; undefined: there was none. */
  readonly recipe: string | undefined
  readonly sockets: number
  readonly packetsSent: number
  /** Authentic packets of the peer that came in: its direction works. */
  readonly packetsHeard: number
  /** TCP connections that were tried. */
  readonly tcpTries: number
}

/** Ours: a line holds at most the message of a punch with 8 addresses. */
export const MAX_DIRECT_MESSAGE = 4096
const MAX_ATTEMPT = 2 ** 31
const MAX_PUBLIC_IPS = 8
const MAX_PUNCH_TEXT = 2048
const MAX_STREAM_ID = 2 ** 32 - 1

/** A message as one line of JSON, without its end. */
export function encodeDirectMessage(message: DirectMessage): string {
  switch (message.kind) {
    case 'offer':
    case 'answer': {
      const { kind, attempt, credentials, streams, tcp } = message
      const ids = streams === undefined ? {} : { streams: { ...streams } }
      return JSON.stringify({ kind, attempt, ...credentials, ...ids, tcp })
    }
    case 'candidate': {
      const { kind, attempt, candidate } = message
      return JSON.stringify({
        ...{ kind, attempt, line: formatCandidate(candidate) },
        ...(candidate.type === 'nat-assisted' ? { mapped: true } : {}),
      })
    }
    case 'nat': {
      const { publicIps } = message.nat
      const nat = { ...networkFields(message.nat), publicIps: publicIps.slice(0, MAX_PUBLIC_IPS) }
      return JSON.stringify({ kind: 'nat', attempt: message.attempt, nat })
    }
    case 'over': {
      const { recipe, ...counts } = message.tried
      const tried = recipe === undefined ? counts : { recipe, ...counts }
      return JSON.stringify({ kind: 'over', attempt: message.attempt, tried })
    }
    default:
      return JSON.stringify(message)
  }
}

/**
 * Reads what a peer sent, who has proven who it is and may lie all the same: addresses are where it says it is.
 * @returns undefined for a kind of a later version
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeDirectMessage(line: string): DirectMessage | undefined {
  if (line.length > MAX_DIRECT_MESSAGE) throw wrong('is too long')
  const reader = JsonReader.parse(line, 'a message about direct paths')
  const kind = reader.text('kind', 32)
  switch (kind) {
    case 'offer':
    case 'answer':
      return { kind, ...readStart(reader) }
    case 'candidate':
      return { kind, attempt: readAttempt(reader), candidate: readCandidate(reader) }
    case 'end':
      return { kind, attempt: readAttempt(reader) }
    case 'nat':
      return { kind, attempt: readAttempt(reader), nat: readNat(reader.object('nat')) }
    case 'punch':
      return {
        ...{ kind, attempt: readAttempt(reader) },
        transport: readTransport(reader),
        text: reader.text('text', MAX_PUNCH_TEXT),
      }
    case 'later':
      return { kind, attempt: readAttempt(reader), waitMs: reader.count('waitMs') }
    case 'found':
      return { kind, attempt: readAttempt(reader), transport: readTransport(reader) }
    case 'over':
      return { kind, attempt: readAttempt(reader), tried: readTried(reader.object('tried')) }
    case 'again':
      return { kind }
    default:
      return undefined
  }
}

function readStart(reader: JsonReader): AttemptStart {
  const credentials = { ufrag: reader.text('ufrag', 256), password: reader.text('password', 256) }
  assertIceCredentials(credentials)
  return {
    attempt: readAttempt(reader),
    credentials,
    streams: reader.optional('streams', (fields) => readStreams(fields.object('streams'))),
    tcp: reader.flag('tcp'),
  }
}

function readAttempt(reader: JsonReader): number {
  const attempt = reader.count('attempt')
  if (attempt < 1 || attempt > MAX_ATTEMPT) throw wrong('has no number of an attempt')
  return attempt
}

function readStreams(reader: JsonReader): StreamIds {
  const [ice, punch] = [reader.count('ice'), reader.count('punch')]
  if (ice > MAX_STREAM_ID || punch > MAX_STREAM_ID || ice === punch) throw wrong('has no ids of streams')
  return { ice, punch }
}

function readCandidate(reader: JsonReader): Candidate {
  const candidate = parseCandidate(reader.text('line', MAX_CANDIDATE_LENGTH))
  const isMapped = reader.has('mapped') && reader.flag('mapped')
  return isMapped && candidate.type === 'srflx' ? { ...candidate, type: 'nat-assisted' } : candidate
}

function readNat(reader: JsonReader): NatSummary {
  const ips = reader.texts('publicIps', MAX_PUBLIC_IPS)
  return {
    ...readNetwork(reader),
    publicIps: ips.map((ip) => readIp(ip)),
  }
}

function readIp(text: string): string {
  try {
    return canonicalIp(text)
  } catch (error) {
    throw new ReachError('ERR_REACH_DECODE', 'a message about direct paths has an IP that is none', {
      cause: error,
    })
  }
}

function readTransport(reader: JsonReader): 'udp' | 'tcp' {
  const transport = reader.text('transport', 8)
  if (transport !== 'udp' && transport !== 'tcp') throw wrong('has no transport')
  return transport
}

function readTried(reader: JsonReader): TriedSummary {
  return {
    recipe: reader.optional('recipe', (fields) => fields.text('recipe', 32)),
    sockets: reader.count('sockets'),
    packetsSent: reader.count('packetsSent'),
    packetsHeard: reader.count('packetsHeard'),
    tcpTries: reader.count('tcpTries'),
  }
}

function wrong(what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `a message about direct paths ${what}`)
}
