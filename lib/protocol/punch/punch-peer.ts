import type { PunchMessage } from './punch-message.ts'

/** What a peer announces of a round. */
export type Ready = Extract<PunchMessage, { kind: 'ready' }>

/** What the peer has said of its rounds. */
export class PunchPeer {
  #ready: Ready | undefined
  #goRound = -1

  /** Takes an announcement; true when the peer must have begun anew: it announces each round once, and in order. */
  announced(ready: Ready): boolean {
    const hasRestarted = this.#ready !== undefined && ready.round <= this.#ready.round
    this.#ready = ready
    return hasRestarted
  }

  saidGo(round: number): void {
    this.#goRound = round
  }

  readyFor(round: number): Ready | undefined {
    return this.#ready?.round === round ? this.#ready : undefined
  }

  hasSaidGo(round: number): boolean {
    return this.#goRound === round
  }
}
