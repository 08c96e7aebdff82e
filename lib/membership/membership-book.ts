import { ReachError } from '../base/errors.ts'
import { Turns } from '../base/turns.ts'
import type { Certificate } from '../identity/certificate/certificate.ts'
import { readKeyFile } from '../identity/keys/key-file.ts'
import type { KeyPair } from '../identity/keys/key-pair.ts'
import type { MembershipRecord } from '../identity/membership-file.ts'
import {
  membershipPaths,
  readDenyListFile,
  readMembership,
  writeDenyList,
  writeMembership,
} from '../identity/membership-file.ts'
import { fromWireStatement } from '../identity/trust/statement.ts'
import { TrustStore } from '../identity/trust/trust-store.ts'
import type { ControlReply, IssuedReply, NetworkState } from '../protocol/relay/control-reply.ts'
import type { WireStatement } from '../protocol/relay/wire-statement.ts'
import { membershipOf } from './join-network.ts'

/**
 * What a home folder holds of a network: key, certificate, roots, deny list, relays. It is read once, and brought up to
 * date in memory and on the disk at once. Knows no relay.
 */
export class MembershipBook {
  readonly home: string
  readonly keys: KeyPair
  readonly trust: TrustStore
  #record: MembershipRecord
  /** Writes come one after the other. */
  readonly #writing = new Turns()
  readonly #watchers = new Set<() => void>()

  private constructor(home: string, keys: KeyPair, record: MembershipRecord, trust: TrustStore) {
    this.home = home
    this.keys = keys
    this.#record = record
    this.trust = trust
  }

  /**
   * @param allowOpenKeyFile use a key file that others can read
   * @throws {ReachError} ERR_REACH_NOT_A_MEMBER, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
   */
  static async open(home: string, allowOpenKeyFile: boolean): Promise<MembershipBook> {
    const paths = membershipPaths(home)
    const [keys, record] = await Promise.all([
      readKeyFile(paths.key, { allowOpenPermissions: allowOpenKeyFile }),
      readMembership(paths.membership),
    ])
    if (keys === undefined || record === undefined) {
      throw new ReachError('ERR_REACH_NOT_A_MEMBER', `${home} belongs to no network`, {
        hint: 'join one with  p2p-reach join STRING',
      })
    }
    const [leaf] = record.chain
    if (leaf?.peerId !== keys.peerId) {
      throw new ReachError(
        'ERR_REACH_HOME_DAMAGED',
        `the certificate in ${paths.membership} is not for the key in ${paths.key}`,
        { hint: 'join again with a new string and  --replace' },
      )
    }
    const denyList = await readDenyListFile(paths.denyList(record.rootSet.domain), record.rootSet)
    return new MembershipBook(home, keys, record, new TrustStore(record.rootSet, denyList))
  }

  /** As it was stored last. */
  get record(): MembershipRecord {
    return this.#record
  }

  /** The newest certificate. */
  get certificate(): Certificate {
    const [leaf] = this.#record.chain
    if (leaf === undefined)
      throw new ReachError('ERR_REACH_HOME_DAMAGED', 'the membership has no certificate')
    return leaf
  }

  /** Calls back after each change of what is stored, until the function that it answers is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Takes over what a relay says of the network. @returns true when roots or deny list are news */
  async takeState(
    { rootSet, denyList, relays, renewGraceMs }: NetworkState,
    nowMs: number,
  ): Promise<boolean> {
    const isNewRoots = isNotOlder(() => this.trust.applyRootSet(fromWireStatement(rootSet), nowMs))
    const isNewList =
      denyList !== undefined && isNotOlder(() => this.trust.applyDenyList(fromWireStatement(denyList), nowMs))
    if (isNewList) await this.#storeDenyList()
    const isSame = relays.join() === this.#record.relays.join() && renewGraceMs === this.#record.renewGraceMs
    if (isNewRoots || !isSame) {
      await this.#store({ ...this.#record, rootSet: this.trust.rootSet, relays, renewGraceMs })
    }
    return isNewRoots || isNewList
  }

  /** Takes over roots that one vouches for that we know. @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_FILE */
  async takeRoots(rootSet: WireStatement, nowMs: number): Promise<boolean> {
    if (!this.trust.applyRootSet(fromWireStatement(rootSet), nowMs)) return false
    await this.#store({ ...this.#record, rootSet: this.trust.rootSet })
    return true
  }

  /** Believes and stores a statement that a relay sent. @returns true when it was news */
  async takePush(reply: ControlReply, nowMs: number): Promise<boolean> {
    if (reply.type === 'root-set') return await this.takeRoots(reply.statement, nowMs)
    if (reply.type !== 'deny-list') return false
    if (!this.trust.applyDenyList(fromWireStatement(reply.statement), nowMs)) return false
    await this.#storeDenyList()
    return true
  }

  /** Stores another certificate for our key. @throws {ReachError} for one that is none */
  async takeIssued(issued: IssuedReply, nowMs: number): Promise<void> {
    const { rootSet } = this.trust
    const { issuedRecord } = membershipOf(issued, rootSet, this.keys, nowMs)
    await this.#store({ ...this.#record, ...issuedRecord, rootSet })
  }

  /**
   * Takes over what another process has stored in the home folder since: its certificate, if it is younger than ours, its
   * roots and deny list. @throws {ReachError} ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE
   */
  async reload(nowMs: number): Promise<void> {
    const found = await MembershipBook.open(this.home, true)
    const isOurs =
      found.keys.peerId === this.keys.peerId && found.trust.network.domain === this.trust.network.domain
    if (!isOurs) {
      throw new ReachError('ERR_REACH_HOME_DAMAGED', `${this.home} belongs to another member by now`, {
        hint: 'start again',
      })
    }
    const { rootSet, denyList } = found.trust
    isNotOlder(() => this.trust.applyRootSet(rootSet.statement, nowMs))
    if (denyList !== undefined) isNotOlder(() => this.trust.applyDenyList(denyList.statement, nowMs))
    if (found.certificate.notAfterMs <= this.certificate.notAfterMs) return
    this.#record = found.#record
    this.#tell()
  }

  /** The home folder is left as it is from then on: what would store something fails with ERR_REACH_ABORTED. Idempotent. */
  close(): Promise<void> {
    return this.#writing.close()
  }

  #store(record: MembershipRecord): Promise<void> {
    return this.#writing.take(async () => {
      await writeMembership(membershipPaths(this.home).membership, record)
      this.#record = record
      this.#tell()
    })
  }

  #storeDenyList(): Promise<void> {
    return this.#writing.take(async () => {
      const { denyList, network } = this.trust
      if (denyList !== undefined)
        await writeDenyList(membershipPaths(this.home).denyList(network.domain), denyList)
    })
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}

/** Relays may lag behind each other: an older statement is no news, and no reason to leave. */
function isNotOlder(apply: () => boolean): boolean {
  try {
    return apply()
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_STATEMENT')) return false
    throw error
  }
}
