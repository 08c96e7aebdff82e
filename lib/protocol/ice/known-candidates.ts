import { sameAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { Candidate, LocalCandidate } from './candidate.ts'

/** Ours: local candidates of one peer; 32 × 32 pairs are cut to the limit of the checklist anyway. */
const MAX_LOCAL_CANDIDATES = 32

/** What bounds the remote side of {@link KnownCandidates}. */
export interface CandidateLimits {
  readonly maxRemoteCandidates: number
  readonly maySendTo: (address: TransportAddress) => boolean
}

/** The candidates of both sides, and whether more will come (RFC 8838). */
export class KnownCandidates {
  readonly #limits: CandidateLimits
  #locals: LocalCandidate[] = []
  readonly #remotes: Candidate[] = []
  #localEnded = false
  #remoteEnded = false

  constructor(limits: CandidateLimits) {
    this.#limits = limits
  }

  get locals(): readonly LocalCandidate[] {
    return this.#locals
  }

  get remotes(): readonly Candidate[] {
    return this.#remotes
  }

  /** Both sides have named all. */
  get isComplete(): boolean {
    return this.#localEnded && this.#remoteEnded
  }

  end(side: 'local' | 'remote'): void {
    if (side === 'local') this.#localEnded = true
    else this.#remoteEnded = true
  }

  /** False when there are too many. */
  addLocal(candidate: LocalCandidate): boolean {
    if (this.#locals.length >= MAX_LOCAL_CANDIDATES) return false
    this.#locals.push(candidate)
    return true
  }

  /** `refused`: there are too many, or nothing may be sent there. */
  addRemote(candidate: Candidate): 'new' | 'known' | 'refused' {
    if (this.#remotes.some(({ address }) => sameAddress(address, candidate.address))) return 'known'
    const { maxRemoteCandidates, maySendTo } = this.#limits
    if (this.#remotes.length >= maxRemoteCandidates || !maySendTo(candidate.address)) return 'refused'
    this.#remotes.push(candidate)
    return 'new'
  }

  /** A candidate whose base is this socket. */
  ofSocket(socket: number): LocalCandidate | undefined {
    return this.#locals.find((candidate) => candidate.socket === socket)
  }

  removeSocket(socket: number): void {
    this.#locals = this.#locals.filter((candidate) => candidate.socket !== socket)
  }
}
