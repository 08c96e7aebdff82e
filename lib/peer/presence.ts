import { ReachError } from '../base/errors.ts'
import { networkForOthers } from '../protocol/signaling/nat-summary.ts'
import type { DirectResources } from './direct/direct-resources.ts'
import type { LanReach } from './lan/lan-reach.ts'
import type { PeerLife } from './peer-life.ts'
import type { RelayLinks } from './relay-links.ts'
import { anyOf } from './ssh-relays.ts'
import type { SshRelays } from './ssh-relays.ts'

/** Where a peer can let itself be found. */
export interface PresenceSetup {
  readonly life: PeerLife
  readonly links: RelayLinks
  readonly ssh: SshRelays | undefined
  readonly lan: LanReach | undefined
  /** It measures our network; undefined where only relays are to be used. */
  readonly resources: DirectResources | undefined
}

/** Lets others find us, and see what they may expect of our network, once we take sessions. */
export class Presence {
  readonly #setup: PresenceSetup
  #takesSessions = false

  constructor(setup: PresenceSetup) {
    this.#setup = setup
  }

  /**
   * Wherever others look for us. One place is enough to be found; the LAN alone where there is no other.
   * @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_TRUST_…, ERR_REACH_SSH_…
   */
  async register(signal: AbortSignal | undefined): Promise<void> {
    const { lan, links, ssh } = this.#setup
    const onLan = lan?.announce()
    this.#takesSessions = true
    try {
      const atRelays = links.register(signal)
      await (ssh === undefined ? atRelays : anyOf([ssh.register(signal), atRelays]))
      void this.tellNetwork()
    } catch (error) {
      const isAlone = ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE') && signal?.aborted !== true
      if (!isAlone || (await onLan) !== true) throw error
    }
  }

  /** Lets others see, through the relays, what they may expect of our network. */
  async tellNetwork(): Promise<void> {
    if (!this.#takesSessions) return
    const { resources, links, life } = this.#setup
    const found = await resources?.network()
    if (found !== undefined && !life.signal.aborted) links.tellNetwork(networkForOthers(found.nat))
  }
}
