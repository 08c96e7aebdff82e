import { ReachError } from '../../lib/base/errors.ts'
import { isPeerName, parsePeerName } from '../../lib/base/peer-name.ts'
import type { SshPublicKey } from '../../lib/protocol/ssh/public-key.ts'
import type { Ledger } from './ledger.ts'
import { checkNameIsFree } from './ledger.ts'
import type { SshKey } from './ssh-key.ts'

/** What the operator says of a key. */
export type SshKeyGrant = Pick<SshKey, 'name' | 'use' | 'allow'>

/** Ours: as many as a network has members. */
const MAX_SSH_KEYS = 10_000
/** Ours: each open looks through them. */
export const MAX_ALLOWED = 256

/**
 * Lets the holder of a key in. The same again changes what it may.
 * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_NAME_TAKEN, ERR_REACH_TRUST_REVOKED, ERR_REACH_REQUEST_REFUSED
 */
export function addSshKey(ledger: Ledger, key: SshPublicKey, grant: SshKeyGrant, nowMs: number): Ledger {
  const name = parsePeerName(grant.name)
  const before = ledger.sshKeys.get(key.fingerprint)
  if (before?.revokedAtMs !== undefined) {
    throw new ReachError('ERR_REACH_TRUST_REVOKED', `the key ${key.fingerprint} was revoked`, {
      hint: 'make a new one:  ssh-keygen -t ed25519',
    })
  }
  if (before !== undefined && before.name !== name) {
    throw new ReachError('ERR_REACH_NAME_TAKEN', `that key is called ${before.name} already`, {
      hint: `revoke it first:  p2p-reach relay ssh-key revoke ${before.name}`,
    })
  }
  if (before === undefined) checkNameIsFree(ledger, name, undefined)
  if (before === undefined && ledger.sshKeys.size >= MAX_SSH_KEYS) {
    throw new ReachError('ERR_REACH_REQUEST_REFUSED', `the network is full: ${MAX_SSH_KEYS} keys of SSH`)
  }
  const allow = grant.allow?.map((one) => parsePeerName(one))
  const { use } = grant
  const entered: SshKey = {
    ...key,
    name,
    use,
    allow,
    addedAtMs: before?.addedAtMs ?? nowMs,
    revokedAtMs: undefined,
  }
  return { ...ledger, sshKeys: new Map(ledger.sshKeys).set(key.fingerprint, entered) }
}

/** Shuts a key out for ever; its name is free again. @throws {ReachError} ERR_REACH_PEER_UNKNOWN */
export function revokeSshKey(ledger: Ledger, key: SshKey, nowMs: number): Ledger {
  if (key.revokedAtMs !== undefined) return ledger
  const sshKeys = new Map(ledger.sshKeys).set(key.fingerprint, { ...key, revokedAtMs: nowMs })
  return { ...ledger, sshKeys }
}

/** By name or fingerprint; one that is welcome before those that are not. @throws {ReachError} ERR_REACH_PEER_UNKNOWN */
export function findSshKey(ledger: Ledger, nameOrFingerprint: string): SshKey {
  const wanted = nameOrFingerprint.trim()
  const namesakes = [...ledger.sshKeys.values()].filter(({ name }) => name === wanted.toLowerCase())
  const found =
    ledger.sshKeys.get(wanted) ??
    namesakes.find(({ revokedAtMs }) => revokedAtMs === undefined) ??
    namesakes.at(-1)
  if (found !== undefined) return found
  throw new ReachError('ERR_REACH_PEER_UNKNOWN', `no key of SSH is called ${JSON.stringify(wanted)}`, {
    hint: isPeerName(wanted)
      ? 'p2p-reach relay ssh-key list  lists them'
      : 'name it, or write its fingerprint:  SHA256:…',
  })
}
