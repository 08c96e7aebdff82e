import type { IceRole } from './candidate-pair.ts'
import { readCheckMessage } from './connectivity-check.ts'
import type { ReceivedCheck } from './connectivity-check.ts'

/** An agent's role, and how two agents with the same one agree (RFC 8445 §7.2.5.1, §7.3.1.1). */
export class AgreedRole {
  readonly tieBreaker: bigint
  #role: IceRole

  /** @param random 8 bytes */
  constructor(role: IceRole, random: Uint8Array) {
    this.#role = role
    this.tieBreaker = random.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  }

  get current(): IceRole {
    return this.#role
  }

  /** What a check of a peer with the same role means: the larger tie-breaker controls. `yield`: our role has changed. */
  resolve(check: ReceivedCheck): 'agreed' | 'yield' | 'insist' {
    if (check.role !== this.#role) return 'agreed'
    const weWin = this.tieBreaker >= check.tieBreaker
    if (weWin === (this.#role === 'controlling')) return 'insist'
    this.#role = otherRole(this.#role)
    return 'yield'
  }

  /** The peer insists on the role that a check of ours named. True when ours changes by that. */
  yieldAfter(checkBytes: Uint8Array): boolean {
    const role = otherRole(sentRole(checkBytes))
    if (role === this.#role) return false
    this.#role = role
    return true
  }
}

function otherRole(role: IceRole): IceRole {
  return role === 'controlling' ? 'controlled' : 'controlling'
}

function sentRole(bytes: Uint8Array): IceRole {
  const message = readCheckMessage(bytes)
  const isControlling = message?.attributes.some(({ type }) => type === 'ice-controlling') === true
  return isControlling ? 'controlling' : 'controlled'
}
