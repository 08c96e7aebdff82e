import { parseSshPublicKey } from '../../lib/protocol/ssh/public-key.ts'
import type { AtomicStore } from '../../lib/identity/files/atomic-store.ts'
import type { AuditLog } from './audit-log.ts'
import type { Ledger } from './ledger.ts'
import type { SshKey } from './ssh-key.ts'
import type { SshKeyGrant } from './ssh-keys.ts'
import { addSshKey, findSshKey, revokeSshKey } from './ssh-keys.ts'

/** What the register stands on: the authority's own ledger and log. */
export interface SshKeyRegisterSetup {
  readonly store: AtomicStore<Ledger>
  readonly audit: AuditLog
  readonly wallMs: () => number
  /** Runs one change after the other, with all others of the authority: names belong to one identity. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>
}

/** The SSH clients of a network. What it promises is on the disk before anybody hears of it. */
export class SshKeyRegister {
  readonly #setup: SshKeyRegisterSetup
  readonly #watchers = new Set<() => void>()

  constructor(setup: SshKeyRegisterSetup) {
    this.#setup = setup
  }

  /** All that were ever let in, the oldest first. */
  get all(): readonly SshKey[] {
    return [...this.#setup.store.state.sshKeys.values()]
  }

  /** The key with that fingerprint, if its holder is welcome now. */
  welcome(fingerprint: string): SshKey | undefined {
    const key = this.#setup.store.state.sshKeys.get(fingerprint)
    return key?.revokedAtMs === undefined ? key : undefined
  }

  /**
   * Lets the holder of a key in.
   * @param line as `id_ed25519.pub` has it
   * @throws {ReachError} ERR_REACH_SSH_KEY, ERR_REACH_NAME, ERR_REACH_NAME_TAKEN, ERR_REACH_TRUST_REVOKED
   */
  add(line: string, grant: SshKeyGrant, by: string): Promise<SshKey> {
    const key = parseSshPublicKey(line)
    const { store, audit, wallMs } = this.#setup
    return this.#changing(async () => {
      await store.commit((ledger) => ({ state: addSshKey(ledger, key, grant, wallMs()), result: undefined }))
      const added = findSshKey(store.state, key.fingerprint)
      const { name, use, fingerprint } = added
      audit.write({
        event: 'ssh key added',
        name,
        use,
        fingerprint,
        allow: added.allow?.join(',') ?? '*',
        by,
      })
      return added
    })
  }

  /** Shuts one out, by name or fingerprint. @throws {ReachError} ERR_REACH_PEER_UNKNOWN */
  revoke(nameOrFingerprint: string, by: string): Promise<SshKey> {
    const { store, audit, wallMs } = this.#setup
    return this.#changing(async () => {
      const key = findSshKey(store.state, nameOrFingerprint)
      await store.commit((ledger) => ({ state: revokeSshKey(ledger, key, wallMs()), result: undefined }))
      audit.write({ event: 'ssh key revoked', name: key.name, fingerprint: key.fingerprint, by })
      return key
    })
  }

  /** Calls back after each change. Answers what ends that. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener)
    return () => this.#watchers.delete(listener)
  }

  async #changing(work: () => Promise<SshKey>): Promise<SshKey> {
    const key = await this.#setup.exclusively(work)
    for (const listener of this.#watchers) listener()
    return key
  }
}
