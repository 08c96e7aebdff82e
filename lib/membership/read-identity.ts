import type { PeerId } from '../base/peer-id.ts'
import type { Role } from '../base/peer-name.ts'
import { claimOf } from '../identity/certificate/claim.ts'
import { openKeyFile, readKeyFile } from '../identity/keys/key-file.ts'
import { membershipPaths, readMembership } from '../identity/membership-file.ts'

/** Who the owner of a home folder is. */
export interface IdentityInfo {
  readonly peerId: PeerId
  /** The key was made just now. */
  readonly isNew: boolean
  /** Undefined when the home belongs to no network. */
  readonly membership: MembershipInfo | undefined
}

/** What the certificate in a home folder says. */
export interface MembershipInfo {
  readonly name: string
  readonly roles: readonly Role[]
  readonly domain: string
  readonly relays: readonly string[]
  /** Life of the certificate, in calendar milliseconds. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** How an identity is read. */
export interface ReadIdentityOptions {
  /** Use a key file that others can read. Default: refuse. */
  readonly allowOpenKeyFile?: boolean
}

/**
 * The identity in a home folder; a key is made when there is none. Sends nothing.
 * @throws {ReachError} ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN, ERR_REACH_FILE, ERR_REACH_HOME_DAMAGED
 */
export async function openIdentity(home: string, options: ReadIdentityOptions = {}): Promise<IdentityInfo> {
  const paths = membershipPaths(home)
  const permissions = { allowOpenPermissions: options.allowOpenKeyFile === true }
  const isNew = (await readKeyFile(paths.key, permissions)) === undefined
  const { peerId } = await openKeyFile(paths.key, permissions)
  const record = await readMembership(paths.membership)
  const [leaf] = record?.chain ?? []
  const claim = leaf === undefined ? undefined : claimOf(leaf)
  if (record === undefined || leaf === undefined || claim === undefined || leaf.peerId !== peerId) {
    return { peerId, isNew, membership: undefined }
  }
  const { name, roles, domain } = claim
  const { notBeforeMs, notAfterMs } = leaf
  return {
    peerId,
    isNew,
    membership: { name, roles, domain, relays: record.relays, notBeforeMs, notAfterMs },
  }
}
