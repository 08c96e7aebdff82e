import { toBase64 } from '../../lib/base/base64.ts'
import type { Endpoint } from '../../lib/base/endpoint.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { AdminRequest } from '../../lib/protocol/relay/admin-request.ts'
import type { RevokeResult } from '../../lib/protocol/relay/admin-result.ts'
import type { SshKeyRequest, SshKeyStatus } from '../../lib/protocol/relay/ssh-key-request.ts'
import type { Authority } from '../authority/authority.ts'
import type { SshKey } from '../authority/ssh-key.ts'

/** What the relay around an authority knows. */
export interface AdminSurroundings {
  /** Where the network can be joined. */
  readonly relays: () => readonly Endpoint[]
  readonly isConnected: (peerId: PeerId) => boolean
  /** Members that hear of changes at once. */
  readonly connectedCount: () => number
  readonly ssh: SshSurroundings
}

/** What is known of SSH clients beyond their keys. */
export interface SshSurroundings {
  readonly hostKey: () => Promise<string | undefined>
  readonly connectionsOf: (fingerprint: string) => number
  readonly exposedBy: (fingerprint: string) => readonly string[]
}

/** Carries out what administrators ask, whichever way they came. Whether somebody is one has been decided before. */
export class AdminService {
  readonly #authority: Authority
  readonly #around: AdminSurroundings

  constructor(authority: Authority, around: AdminSurroundings) {
    this.#authority = authority
    this.#around = around
  }

  /** @param by who asks, for the audit log @throws {ReachError} as the methods of `Authority` do */
  async handle(request: AdminRequest, by: string): Promise<Readonly<Record<string, unknown>>> {
    switch (request.op) {
      case 'invite':
        return { ...(await this.#authority.invite(request, this.#around.relays(), by)) }
      case 'revoke':
        return this.#revoke(request.peer, request.reason, by)
      case 'status':
        return {
          ...this.#authority.status(this.#around.isConnected),
          sshHostKey: await this.#around.ssh.hostKey(),
        }
      case 'issuing-key':
        return { spki: toBase64(this.#authority.issuingKey(request.isNew)) }
      case 'install-roots':
        await this.#authority.installRoots(request, by)
        return {}
      case 'ssh-key-add':
      case 'ssh-key-list':
      case 'ssh-key-revoke':
        return this.#sshKeys(request, by)
      default:
        return unreachable(request)
    }
  }

  async #sshKeys(request: SshKeyRequest, by: string): Promise<Readonly<Record<string, unknown>>> {
    const { sshKeys } = this.#authority
    switch (request.op) {
      case 'ssh-key-add':
        return { ...this.#sshStatus(await sshKeys.add(request.publicKey, request, by)) }
      case 'ssh-key-list':
        return {
          hostKey: await this.#around.ssh.hostKey(),
          keys: sshKeys.all.map((key) => this.#sshStatus(key)),
        }
      case 'ssh-key-revoke':
        return { ...this.#sshStatus(await sshKeys.revoke(request.key, by)) }
    }
  }

  #sshStatus({ name, type, fingerprint, use, allow, addedAtMs, revokedAtMs }: SshKey): SshKeyStatus {
    const { connectionsOf, exposedBy } = this.#around.ssh
    return {
      ...{ name, type, fingerprint, use, allow, addedAtMs },
      isRevoked: revokedAtMs !== undefined,
      connections: connectionsOf(fingerprint),
      exposed: exposedBy(fingerprint),
    }
  }

  async #revoke(peer: string, reason: string, by: string): Promise<Readonly<Record<string, unknown>>> {
    const told = this.#around.connectedCount()
    const { peerId, name } = await this.#authority.revoke(peer, reason, by)
    const denyListNumber = this.#authority.ledger.denyListNumber
    return { peerId, name, denyListNumber, told } satisfies RevokeResult
  }
}
