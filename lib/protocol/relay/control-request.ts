import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import type { Transport } from '../../base/transport-address.ts'
import { MAX_PORT } from '../../base/transport-address.ts'
import type { AdminRequest } from './admin-request.ts'
import { readAdminRequest } from './admin-request.ts'
import type { PeerNetwork } from '../ice/pair-prediction.ts'
import { readNetwork } from '../signaling/nat-summary.ts'

/** What a member, or somebody who wants to become one, says to a relay (docs/wire.md). Bytes are in base64. */
export type ControlRequest =
  /** Which network is this? The first thing that `join` asks, before it shows its token to anybody. */
  | { readonly type: 'ask-network' }
  /** A token for a certificate. */
  | { readonly type: 'enrol'; readonly tokenId: string; readonly secret: string; readonly request: string }
  | AuthenticateRequest
  /** Another certificate for the same key. */
  | { readonly type: 'renew'; readonly request: string }
  /** What the member believes by now. */
  | ({ readonly type: 'report' } & TrustReport)
  | { readonly type: 'admin'; readonly id: number; readonly request: AdminRequest }
  | { readonly type: 'ping'; readonly id: number }
  | RegisterRequest
  | OpenRequest
  /** Who takes sessions now? */
  | { readonly type: 'peers'; readonly id: number }
  | ProveRequest
  /** Of a later version: refused; with an `id`, the refusal ends nothing else. */
  | { readonly type: 'unknown'; readonly name: string; readonly id: number | undefined }

/** I take sessions: tell me when somebody dials. What is said last counts. */
export interface RegisterRequest {
  readonly type: 'register'
  readonly id: number
  /** For those who ask who is there. */
  readonly nat: PeerNetwork | undefined
}

/** Somebody wants a path to a peer. The data leg with the same ticket is on its way, and may come first. */
export interface OpenRequest {
  readonly type: 'open'
  readonly id: number
  /** PeerId, or name in the network. */
  readonly peer: string
  /** 32 random bytes in base64; those of our data leg. */
  readonly ticket: string
}

/**
 * Send these random bytes to a port of ours, at the IP that this connection comes from: what arrives proves that the
 * port is open to the outside.
 */
export interface ProveRequest {
  readonly type: 'prove'
  readonly id: number
  readonly transport: Transport
  /** 1 to 65535. */
  readonly port: number
  /** 12 random bytes in base64. */
  readonly nonce: string
}

/** Proves a member's key and shows its certificate, inside TLS in which only the relay showed one. */
export interface AuthenticateRequest extends TrustReport {
  readonly type: 'authenticate'
  /** Certificates in DER, leaf first. */
  readonly chain: readonly string[]
  /** By the leaf's key, of {@link proofBytes}. */
  readonly signature: string
  /** Of a relay: where others reach it, as HOST:PORT. */
  readonly addresses: readonly string[]
}

/** Which roots a member trusts, and how new its deny list is. */
export interface TrustReport {
  /** SHA-256 of their SubjectPublicKeyInfo in hex. */
  readonly roots: readonly string[]
  readonly denyListNumber: number
}

const MAX_CHAIN = 8
const MAX_ROOTS = 8
const MAX_ADDRESSES = 8
/** Ours: PKCS #10 for an Ed25519 key is some 130 bytes. */
const MAX_REQUEST = 8192

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodeControlRequest(text: string): ControlRequest {
  const reader = JsonReader.parse(text, 'control request')
  const type = reader.text('type', 64)
  switch (type) {
    case 'ask-network':
      return { type }
    case 'enrol':
      return {
        type,
        tokenId: reader.text('tokenId', 64),
        secret: reader.text('secret', 128),
        request: reader.text('request', MAX_REQUEST),
      }
    case 'authenticate':
      return {
        type,
        chain: reader.texts('chain', MAX_CHAIN),
        signature: reader.text('signature', 256),
        addresses: reader.texts('addresses', MAX_ADDRESSES),
        ...readTrustReport(reader),
      }
    case 'renew':
      return { type, request: reader.text('request', MAX_REQUEST) }
    case 'report':
      return { type, ...readTrustReport(reader) }
    case 'admin':
      return { type, id: reader.count('id'), request: readAdminRequest(reader.object('request')) }
    case 'ping':
    case 'peers':
      return { type, id: reader.count('id') }
    case 'register':
      return {
        type,
        id: reader.count('id'),
        nat: reader.optional('nat', (fields) => readNetwork(fields.object('nat'))),
      }
    case 'open':
      return {
        type,
        id: reader.count('id'),
        peer: reader.text('peer', 64),
        ticket: reader.text('ticket', 64),
      }
    case 'prove':
      return { type, id: reader.count('id'), ...readTarget(reader), nonce: reader.text('nonce', 64) }
    default:
      return { type: 'unknown', name: type, id: readUnknownId(reader) }
  }
}

function readTarget(reader: JsonReader): { readonly transport: Transport; readonly port: number } {
  const transport = reader.text('transport', 16)
  const port = reader.count('port')
  if (transport !== 'udp' && transport !== 'tcp') {
    throw new ReachError('ERR_REACH_DECODE', 'control request: transport is neither udp nor tcp')
  }
  if (port < 1 || port > MAX_PORT) throw new ReachError('ERR_REACH_DECODE', 'control request: port is none')
  return { transport, port }
}

/** What a later version means by `id` is not known: only a number is one of ours. */
function readUnknownId(reader: JsonReader): number | undefined {
  try {
    return reader.optional('id', (own) => own.count('id'))
  } catch {
    return undefined
  }
}

function readTrustReport(reader: JsonReader): TrustReport {
  const roots = reader.texts('roots', MAX_ROOTS)
  if (!roots.every((root) => /^[0-9a-f]{64}$/.test(root))) {
    throw new ReachError('ERR_REACH_DECODE', 'control request: a root is no SHA-256 in hex')
  }
  return { roots, denyListNumber: reader.count('denyListNumber') }
}

/**
 * What a member signs to prove its key to a relay: a domain, keying material of this very TLS connection (RFC 8446
 * §7.5), so that nobody can replay or forward the proof, and the relay's own key.
 */
export function proofBytes(exported: Uint8Array, relaySpkiSha256: string): Uint8Array {
  const domain = Buffer.from('p2p-reach control proof 1\0', 'utf8')
  return Buffer.concat([domain, exported, Buffer.from(relaySpkiSha256, 'hex')])
}
