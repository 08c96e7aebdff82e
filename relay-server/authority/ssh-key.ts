import type { SshKeyUse } from '../../lib/protocol/relay/ssh-key-request.ts'
import type { SshPublicKey } from '../../lib/protocol/ssh/public-key.ts'

/** An SSH client that may use the relay, whether it is welcome still or not. */
export interface SshKey extends SshPublicKey {
  /** Its name in the network, which no member has. */
  readonly name: string
  readonly use: SshKeyUse
  /** Names of those who may reach what it exposes. Undefined: all SSH clients of the network. */
  readonly allow: readonly string[] | undefined
  readonly addedAtMs: number
  readonly revokedAtMs: number | undefined
}
