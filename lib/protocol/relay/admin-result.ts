import type { JsonReader } from '../../base/json-reader.ts'
import { ReachError } from '../../base/errors.ts'
import type { PeerId } from '../../base/peer-id.ts'
import { isPeerId } from '../../base/peer-id.ts'
import type { WireStatement } from './wire-statement.ts'
import { readWireStatement } from './wire-statement.ts'

/** A token that was made. Secret: whoever has the string can join. */
export interface InviteResult {
  readonly joinString: string
  readonly tokenId: string
  readonly expiresAtMs: number
}

/** Somebody who was shut out. */
export interface RevokeResult {
  readonly peerId: PeerId
  readonly name: string
  /** Number of the deny list that says so. */
  readonly denyListNumber: number
  /** Members and relays that were connected, and have been told. */
  readonly told: number
}

/** The state of a network. */
export interface NetworkStatus {
  readonly domain: string
  readonly rootSet: WireStatement
  /** Certificates in DER in base64: the issuing CA and cross-signed roots. */
  readonly issuingChain: readonly string[]
  readonly denyListNumber: number
  readonly members: readonly MemberStatus[]
  readonly openTokens: number
  /** Fingerprint of the relay's SSH host key, `SHA256:…`; undefined when it serves no SSH clients. */
  readonly sshHostKey: string | undefined
}

/** One member, as the network knows it. */
export interface MemberStatus {
  readonly peerId: PeerId
  readonly name: string
  readonly role: string
  readonly isConnected: boolean
  readonly isRevoked: boolean
  /** When its newest certificate ends. */
  readonly notAfterMs: number
  /** Which roots it trusts, as it says: SHA-256 of their SubjectPublicKeyInfo in hex. */
  readonly roots: readonly string[]
}

const MAX_CHAIN = 8

/** @throws {ReachError} ERR_REACH_DECODE */
export function readInviteResult(reader: JsonReader): InviteResult {
  return {
    joinString: reader.text('joinString', 4096),
    tokenId: reader.text('tokenId', 64),
    expiresAtMs: reader.count('expiresAtMs'),
  }
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function readRevokeResult(reader: JsonReader): RevokeResult {
  return {
    peerId: readPeerId(reader),
    name: reader.text('name', 64),
    denyListNumber: reader.count('denyListNumber'),
    told: reader.count('told'),
  }
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function readNetworkStatus(reader: JsonReader): NetworkStatus {
  return {
    domain: reader.text('domain', 253),
    rootSet: readWireStatement(reader.object('rootSet')),
    issuingChain: reader.texts('issuingChain', MAX_CHAIN),
    denyListNumber: reader.count('denyListNumber'),
    members: reader.objects('members').map(readMember),
    openTokens: reader.count('openTokens'),
    sshHostKey: reader.optional('sshHostKey', (own) => own.text('sshHostKey', 128)),
  }
}

function readMember(reader: JsonReader): MemberStatus {
  return {
    peerId: readPeerId(reader),
    name: reader.text('name', 64),
    role: reader.text('role', 32),
    isConnected: reader.flag('isConnected'),
    isRevoked: reader.flag('isRevoked'),
    notAfterMs: reader.count('notAfterMs'),
    roots: reader.texts('roots', 8),
  }
}

function readPeerId(reader: JsonReader): PeerId {
  const text = reader.text('peerId', 64)
  if (isPeerId(text)) return text
  throw new ReachError('ERR_REACH_DECODE', 'an admin result has no PeerId')
}
