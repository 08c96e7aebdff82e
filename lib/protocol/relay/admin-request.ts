import { ReachError } from '../../base/errors.ts'
import type { JsonReader } from '../../base/json-reader.ts'
import type { Role } from '../../base/peer-name.ts'
import { parseRole } from '../../base/peer-name.ts'
import type { SshKeyRequest } from './ssh-key-request.ts'
import { readSshKeyRequest } from './ssh-key-request.ts'
import type { WireStatement } from './wire-statement.ts'
import { readWireStatement } from './wire-statement.ts'

/** What an administrator asks of a network: a member with the role `admin`, or who owns the relay's home folder. */
export type AdminRequest =
  | InviteRequest
  /** By name, or by PeerId. */
  | { readonly op: 'revoke'; readonly peer: string; readonly reason: string }
  | { readonly op: 'status' }
  /** For the ceremony of the root: the issuing CA's public key, a new one if `isNew`. */
  | { readonly op: 'issuing-key'; readonly isNew: boolean }
  | InstallRootsRequest
  | SshKeyRequest

/** A token that lets somebody join. */
export interface InviteRequest {
  readonly op: 'invite'
  readonly name: string
  readonly role: Role
  /** With more than one, members are called `name-1`, `name-2`, … */
  readonly uses: number
  readonly expiresInMs: number
}

/** What the holder of a root's key has signed, to be used from now on. */
export interface InstallRootsRequest {
  readonly op: 'install-roots'
  readonly rootSet: WireStatement
  /** Certificates in DER in base64: the issuing CA, cross-signed roots. Absent: as before. */
  readonly issuingChain: readonly string[] | undefined
  /** Refuse everything that the issuing CA before this one has signed. */
  readonly denyOldIssuer: boolean
}

const MAX_CHAIN = 8
/** Ours: bounds the ledger. */
export const MAX_TOKEN_USES = 10_000
/** Ours: a token that is never used should not lie around for ever. */
export const MAX_TOKEN_LIFETIME_MS = 90 * 86_400_000

/** @throws {ReachError} ERR_REACH_DECODE, ERR_REACH_USAGE for an unknown role */
export function readAdminRequest(reader: JsonReader): AdminRequest {
  const op = reader.text('op', 32)
  switch (op) {
    case 'invite':
      return {
        op,
        name: reader.text('name', 256),
        role: parseRole(reader.text('role', 32)),
        uses: reader.count('uses'),
        expiresInMs: reader.count('expiresInMs'),
      }
    case 'revoke':
      return { op, peer: reader.text('peer', 256), reason: reader.text('reason', 512) }
    case 'status':
      return { op }
    case 'issuing-key':
      return { op, isNew: reader.flag('isNew') }
    case 'install-roots':
      return {
        op,
        rootSet: readWireStatement(reader.object('rootSet')),
        issuingChain: reader.optional('issuingChain', (own) => own.texts('issuingChain', MAX_CHAIN)),
        denyOldIssuer: reader.flag('denyOldIssuer'),
      }
    default: {
      const request = readSshKeyRequest(op, reader)
      if (request !== undefined) return request
      throw new ReachError('ERR_REACH_DECODE', `an admin request asks for ${JSON.stringify(op)}`)
    }
  }
}
