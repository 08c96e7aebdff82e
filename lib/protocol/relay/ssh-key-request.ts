import { ReachError } from '../../base/errors.ts'
import type { JsonReader } from '../../base/json-reader.ts'

/** What an SSH client may do: expose services, reach them, or both. */
export type SshKeyUse = 'both' | 'expose' | 'reach'

const USES: readonly SshKeyUse[] = ['both', 'expose', 'reach']

/** What an administrator asks about the SSH clients of a network. */
export type SshKeyRequest =
  | {
      readonly op: 'ssh-key-add'
      /** A line of `id_ed25519.pub`. */
      readonly publicKey: string
      readonly name: string
      readonly use: SshKeyUse
      /** Who may reach what it exposes. Absent: all SSH clients. */
      readonly allow: readonly string[] | undefined
    }
  | { readonly op: 'ssh-key-list' }
  /** By name or fingerprint. */
  | { readonly op: 'ssh-key-revoke'; readonly key: string }

/** One SSH client, as the network knows it. */
export interface SshKeyStatus {
  readonly name: string
  readonly type: string
  /** `SHA256:…` */
  readonly fingerprint: string
  readonly use: SshKeyUse
  readonly allow: readonly string[] | undefined
  readonly addedAtMs: number
  readonly isRevoked: boolean
  /** Connections that are open now. */
  readonly connections: number
  /** What it exposes now, as others name it: `web.web1:80`. */
  readonly exposed: readonly string[]
}

/** The SSH clients of a network, and how they know the relay. */
export interface SshKeyList {
  /** Fingerprint of the relay's host key; undefined when it has none yet. */
  readonly hostKey: string | undefined
  readonly keys: readonly SshKeyStatus[]
}

const MAX_KEYS = 10_000
const MAX_LIST = 256

/** @throws {ReachError} ERR_REACH_DECODE, ERR_REACH_USAGE for an unknown use */
export function readSshKeyRequest(op: string, reader: JsonReader): SshKeyRequest | undefined {
  switch (op) {
    case 'ssh-key-add':
      return {
        op,
        publicKey: reader.text('publicKey', 16_384),
        name: reader.text('name', 256),
        use: parseSshKeyUse(reader.text('use', 32)),
        allow: reader.optional('allow', (own) => own.texts('allow', MAX_LIST)),
      }
    case 'ssh-key-list':
      return { op }
    case 'ssh-key-revoke':
      return { op, key: reader.text('key', 256) }
    default:
      return undefined
  }
}

/** Reads what an SSH client may do. @throws {ReachError} ERR_REACH_USAGE */
export function parseSshKeyUse(text: string): SshKeyUse {
  const use = USES.find((known) => known === text)
  if (use !== undefined) return use
  throw new ReachError('ERR_REACH_USAGE', `${JSON.stringify(text)} is nothing that an SSH client does`, {
    hint: `write one of  ${USES.join(', ')}`,
  })
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function readSshKeyList(reader: JsonReader): SshKeyList {
  return {
    hostKey: reader.optional('hostKey', (own) => own.text('hostKey', 128)),
    keys: reader.objects('keys', MAX_KEYS).map(readSshKeyStatus),
  }
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function readSshKeyStatus(reader: JsonReader): SshKeyStatus {
  return {
    name: reader.text('name', 64),
    type: reader.text('type', 64),
    fingerprint: reader.text('fingerprint', 128),
    use: parseSshKeyUse(reader.text('use', 32)),
    allow: reader.optional('allow', (own) => own.texts('allow', MAX_LIST)),
    addedAtMs: reader.count('addedAtMs'),
    isRevoked: reader.flag('isRevoked'),
    connections: reader.count('connections'),
    exposed: reader.texts('exposed'),
  }
}
