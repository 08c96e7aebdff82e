import type { TransportAddress } from '../../base/transport-address.ts'
import { shortTermKey } from '../stun/integrity.ts'
import type { DecodedStunMessage } from '../stun/message.ts'
import type { AgreedRole } from './agreed-role.ts'
import {
  assertIceCredentials,
  encodeCheckSuccess,
  encodeRoleConflict,
  readCheck,
} from './connectivity-check.ts'
import type { IceCredentials, ReceivedCheck } from './connectivity-check.ts'
import type { IceEffect } from './ice-agent-options.ts'

/** A check of the peer, and what its role means for ours (RFC 8445 §7.3.1.1). */
export interface AuthenticCheck {
  readonly check: ReceivedCheck
  /** False when it got a role conflict for an answer. */
  readonly isAgreed: boolean
  readonly hasChangedRole: boolean
}

/** Checks the checks that come in, and answers them (RFC 8445 §7.3). */
export class IncomingChecks {
  readonly #role: AgreedRole
  readonly #emit: (effect: IceEffect) => void
  #credentials: IceCredentials
  #localKey: Uint8Array

  /** @throws {ReachError} ERR_REACH_DECODE for credentials that are none */
  constructor(credentials: IceCredentials, role: AgreedRole, emit: (effect: IceEffect) => void) {
    assertIceCredentials(credentials)
    this.#role = role
    this.#emit = emit
    this.#credentials = credentials
    this.#localKey = shortTermKey(credentials.password)
  }

  get credentials(): IceCredentials {
    return this.#credentials
  }

  /** Only checks made with these count from now on. @throws {ReachError} ERR_REACH_DECODE */
  changeCredentials(credentials: IceCredentials): void {
    assertIceCredentials(credentials)
    this.#credentials = credentials
    this.#localKey = shortTermKey(credentials.password)
  }

  /** Reads a request; undefined, and no answer, for one that the peer did not make. */
  read(
    message: DecodedStunMessage,
    socket: number,
    from: TransportAddress,
    remoteUfrag: string | undefined,
  ): AuthenticCheck | undefined {
    const check = readCheck(message, this.#credentials.ufrag, this.#localKey, remoteUfrag)
    if (check === undefined) return undefined
    const agreement = this.#role.resolve(check)
    if (agreement === 'insist') {
      const bytes = encodeRoleConflict(this.#localKey, check.transactionId)
      this.#emit({ kind: 'send', socket, bytes, to: from })
    }
    return { check, isAgreed: agreement !== 'insist', hasChangedRole: agreement === 'yield' }
  }

  /** Tells the peer that its check arrived, and from where. */
  accept(check: ReceivedCheck, socket: number, from: TransportAddress): void {
    const bytes = encodeCheckSuccess(this.#localKey, check.transactionId, from)
    this.#emit({ kind: 'send', socket, bytes, to: from })
  }
}
