import type { NatBehavior } from '../../base/nat-behavior.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import type { IceRole } from '../ice/candidate-pair.ts'
import type { IceCredentials } from '../ice/connectivity-check.ts'
import type { UdpEffect, UdpInput } from '../stun/nat-survey.ts'
import type { PunchMessage } from './punch-message.ts'
import type { RecipeName } from './punch-recipe.ts'

/** What a {@link PunchMachine} is told at birth. */
export interface PunchOptions {
  readonly role: IceRole
  readonly family: AddressFamily
  readonly localCredentials: IceCredentials
  readonly remoteCredentials: IceCredentials
  readonly ours: NatBehavior
  readonly theirs: NatBehavior
  /** STUN servers; the first is asked, the second after it in vain. */
  readonly servers: readonly TransportAddress[]
  /** The round trip of signalling: the controlling side waits half of it, so that both start at once. */
  readonly signallingRttMs: number
  /** See {@link IceAgentOptions.maySendTo}. */
  readonly maySendTo: (address: TransportAddress) => boolean
  readonly randomBytes: (length: number) => Uint8Array
  /**
   * TTL of the openers: past our own NATs, not as far as the peer's. What `NatBoundaryProbe` found, plus one.
   * @default 2
   */
  readonly openerTtl?: number
}

/** What a {@link PunchMachine} is told. */
export type PunchInput = UdpInput | { readonly kind: 'signal'; readonly message: PunchMessage }

/** What a {@link PunchMachine} wants done, or tells. */
export type PunchEffect =
  | UdpEffect
  | { readonly kind: 'close'; readonly socket: number }
  | { readonly kind: 'signal'; readonly message: PunchMessage }
  /**
   * Packets flow both ways between this socket, which stays open, and this address. Packets of the peer may come from
   * another port than that, where both NATs map by destination port.
   */
  | { readonly kind: 'connected'; readonly socket: number; readonly remote: TransportAddress }
  /** All rounds are over; the sockets are closed. */
  | { readonly kind: 'failed' }

/** What was tried, for the sentence that says why a connection is relayed. */
export interface PunchCounters {
  readonly recipe: RecipeName | 'none'
  rounds: number
  /** Sockets that were opened in all rounds. */
  sockets: number
  packetsSent: number
  /** Checks of the peer that reached us. */
  checksReceived: number
  /** The peer's direction works: a check of it reached us. If we failed all the same, ours does not. */
  heard: boolean
  /** Our direction works: the peer answered a check, or said so when it gave up. */
  wasHeard: boolean
  elapsedMs: number
}

/** Counters of a punch that has not begun. */
export function newCounters(recipe: PunchCounters['recipe']): PunchCounters {
  return {
    recipe,
    rounds: 0,
    sockets: 0,
    packetsSent: 0,
    checksReceived: 0,
    heard: false,
    wasHeard: false,
    elapsedMs: 0,
  }
}
