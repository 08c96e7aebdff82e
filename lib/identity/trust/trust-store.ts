import type { WireStatement } from '../../protocol/relay/wire-statement.ts'
import type { AcceptedDenyList } from './deny-list.ts'
import { acceptDenyList, isSameDenyList } from './deny-list.ts'
import type { AcceptedRootSet } from './root-set.ts'
import { acceptRootSet } from './root-set.ts'
import type { SignedStatement } from './statement.ts'
import { toWireStatement } from './statement.ts'
import type { NetworkTrust, PeerIdentity, TrustPolicy } from './trust-policy.ts'

/** Conditions of one connection, beside what the network says. */
export type TrustConditions = Pick<TrustPolicy, 'peerId' | 'pinned' | 'name' | 'role'>

/** The signed statements behind what a member believes, as they are written in JSON. */
export interface TrustStatements {
  readonly rootSet: WireStatement
  readonly denyList: WireStatement | undefined
}

/**
 * What a member of a network believes at this moment: its roots and its deny list. Statements change it, and whoever
 * watches hears of each change: live connections end when their peer is denied. Keeping it on disk is its owner's part.
 */
export class TrustStore {
  #rootSet: AcceptedRootSet
  #denyList: AcceptedDenyList | undefined
  readonly #watchers = new Set<() => void>()

  constructor(rootSet: AcceptedRootSet, denyList?: AcceptedDenyList) {
    this.#rootSet = rootSet
    this.#denyList = denyList
  }

  get rootSet(): AcceptedRootSet {
    return this.#rootSet
  }

  get denyList(): AcceptedDenyList | undefined {
    return this.#denyList
  }

  get network(): NetworkTrust {
    return this.#rootSet
  }

  get denied(): ReadonlySet<string> {
    return this.#denyList?.denied ?? NOBODY
  }

  /** What it rests on, for others to verify. */
  get statements(): TrustStatements {
    const { rootSet, denyList } = this
    return {
      rootSet: toWireStatement(rootSet.statement),
      denyList: denyList === undefined ? undefined : toWireStatement(denyList.statement),
    }
  }

  /** The policy for a connection with members of this network. */
  policy(conditions: TrustConditions = {}): TrustPolicy {
    return { ...conditions, network: this.network, denied: this.denied }
  }

  /** True when none of the keys that vouch for that peer, its own included, is denied. */
  stillTrusts(identity: PeerIdentity): boolean {
    return !identity.keys.some((key) => this.denied.has(key))
  }

  /** Believes a deny list. True when it is news. @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_DECODE */
  applyDenyList(statement: SignedStatement, nowMs: number): boolean {
    if (isSameDenyList(statement, this.#denyList)) return false
    this.#denyList = acceptDenyList(statement, this.network, this.#denyList, nowMs)
    this.#tell()
    return true
  }

  /** Believes a set of roots. True when it is news. @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_DECODE */
  applyRootSet(statement: SignedStatement, nowMs: number): boolean {
    if (statement.payload === this.#rootSet.statement.payload) return false
    // A root whose key was stolen must not choose its successors.
    const roots = this.#rootSet.roots.filter(({ spkiSha256 }) => !this.denied.has(spkiSha256))
    this.#rootSet = acceptRootSet(statement, { ...this.#rootSet, roots }, nowMs)
    this.#tell()
    return true
  }

  /** Calls back after each change, until the function that it answers is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}

const NOBODY: ReadonlySet<string> = new Set()
