import { toBase64 } from '../base/base64.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { PeerId } from '../base/peer-id.ts'
import type { Role } from '../base/peer-name.ts'
import type { RelayDialer } from '../base/relay-dialer.ts'
import type { Runtime } from '../base/runtime.ts'
import { Turns } from '../base/turns.ts'
import type { Certificate } from '../identity/certificate/certificate.ts'
import { claimOf } from '../identity/certificate/claim.ts'
import { makeCertificateRequest } from '../identity/issue/certificate-request.ts'
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
import type { TlsCredentials } from '../identity/tls/tls-options.ts'
import { fromWireStatement, toWireStatement } from '../identity/trust/statement.ts'
import { TrustStore } from '../identity/trust/trust-store.ts'
import type { AdminRequest } from '../protocol/relay/admin-request.ts'
import type { ControlReply, NetworkState, WelcomeReply } from '../protocol/relay/control-reply.ts'
import type { TrustReport } from '../protocol/relay/control-request.ts'
import type { JsonReader } from '../base/json-reader.ts'
import { checkRelay } from './clock-difference.ts'
import { ControlClient } from './control-client.ts'
import { membershipOf } from './join-network.ts'

/** How a membership is opened. */
export interface OpenMembershipOptions {
  readonly home: string
  readonly runtime: Runtime
  /** How relays are dialled. Default: by TCP, and in no other way. */
  readonly dialer?: RelayDialer
  /** Use a key file that others can read. Default: refuse. */
  readonly allowOpenKeyFile?: boolean
}

/** A control connection on which the relay has recognised us. */
export interface ControlLink {
  readonly client: ControlClient
  readonly welcome: WelcomeReply
  /** HOST:PORT. */
  readonly relay: string
  /** Who ends TLS between us and the relay, and has signed the certificate for it: an intercepting middlebox. */
  readonly interceptedBy: string | undefined
}

/**
 * What a home folder holds of a network: key, certificate, roots, deny list, relays. It is read once; `renew` and what
 * relays say bring it up to date, in memory and on the disk.
 */
export class Membership {
  readonly home: string
  readonly trust: TrustStore
  readonly #runtime: Runtime
  readonly #dialer: RelayDialer | undefined
  readonly #keys: KeyPair
  #record: MembershipRecord
  /** Writes come one after the other. */
  readonly #writing = new Turns()
  readonly #watchers = new Set<() => void>()

  private constructor(
    options: OpenMembershipOptions,
    keys: KeyPair,
    record: MembershipRecord,
    trust: TrustStore,
  ) {
    this.home = options.home
    this.#runtime = options.runtime
    this.#dialer = options.dialer
    this.#keys = keys
    this.#record = record
    this.trust = trust
  }

  /**
   * Reads the membership of a home folder. Sends nothing.
   * @throws {ReachError} ERR_REACH_NOT_A_MEMBER, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
   */
  static async open(options: OpenMembershipOptions): Promise<Membership> {
    const paths = membershipPaths(options.home)
    const [keys, record] = await Promise.all([
      readKeyFile(paths.key, { allowOpenPermissions: options.allowOpenKeyFile === true }),
      readMembership(paths.membership),
    ])
    if (keys === undefined || record === undefined) {
      throw new ReachError('ERR_REACH_NOT_A_MEMBER', `${options.home} belongs to no network`, {
        hint: 'join one with  p2p-reach join STRING',
      })
    }
    const [leaf] = record.chain
    if (leaf?.peerId !== keys.peerId) {
      throw new ReachError(
        'ERR_REACH_HOME_DAMAGED',
        `the certificate in ${paths.membership} is not for the key in ${paths.key}`,
        {
          hint: 'join again with a new string and  --replace',
        },
      )
    }
    const denyList = await readDenyListFile(paths.denyList(record.rootSet.domain), record.rootSet)
    return new Membership(options, keys, record, new TrustStore(record.rootSet, denyList))
  }

  get peerId(): PeerId {
    return this.#keys.peerId
  }

  get domain(): string {
    return this.trust.network.domain
  }

  /** As the certificate says. */
  get name(): string {
    return claimOf(this.certificate)?.name ?? ''
  }

  /** As the certificate says. */
  get roles(): readonly Role[] {
    return claimOf(this.certificate)?.roles ?? []
  }

  /** The newest certificate. */
  get certificate(): Certificate {
    const [leaf] = this.#record.chain
    if (leaf === undefined)
      throw new ReachError('ERR_REACH_HOME_DAMAGED', 'the membership has no certificate')
    return leaf
  }

  /** What to show in handshakes. */
  get credentials(): TlsCredentials {
    return { chain: this.#record.chain, privateKey: this.#keys.privateKey }
  }

  /** Relays of the network as HOST:PORT, best first. */
  get relays(): readonly string[] {
    return this.#record.relays
  }

  /** SSH servers that the join string named, as URLs with the pins of their host keys. */
  get ssh(): readonly string[] {
    return this.#record.ssh
  }

  get renewGraceMs(): number {
    return this.#record.renewGraceMs
  }

  /** What this member believes, as it tells relays. */
  get report(): TrustReport {
    return {
      roots: this.trust.network.roots.map(({ spkiSha256 }) => spkiSha256),
      denyListNumber: this.trust.denyList?.number ?? 0,
    }
  }

  /** The network as it is told to others: a relay that is a member tells its own members so. */
  get networkState(): NetworkState {
    const { rootSet, denyList } = this.trust
    return {
      rootSet: toWireStatement(rootSet.statement),
      denyList: denyList === undefined ? undefined : toWireStatement(denyList.statement),
      relays: this.relays,
      renewGraceMs: this.renewGraceMs,
    }
  }

  /** Calls back after each change of the certificate, until the function that it answers is called. */
  watchCertificate(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Connects to the first relay that answers, proves our key, and takes over what the network says. The caller closes
   * the client.
   * @param addresses of a relay: where others reach it
   * @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_CLOCK, ERR_REACH_RENEWAL_TOO_LATE, ERR_REACH_TRUST_…
   */
  async connect(signal?: AbortSignal, addresses: readonly string[] = []): Promise<ControlLink> {
    let last: unknown = new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the network has no relay')
    for (const relay of this.relays) {
      try {
        return await this.connectTo(relay, signal, addresses)
      } catch (error) {
        signal?.throwIfAborted()
        last = error
        if (!isRelaysFault(error)) break // another relay would say the same
      }
    }
    throw last
  }

  /** The same to this relay alone, as HOST:PORT. */
  async connectTo(
    relay: string,
    signal?: AbortSignal,
    addresses: readonly string[] = [],
  ): Promise<ControlLink> {
    const client = await ControlClient.open({
      ...this.#dialling(relay, signal),
      ...(signal === undefined ? {} : { signal }),
    })
    return await this.#introduce(client, relay, addresses, signal)
  }

  /**
   * The same over a better way than the one that is in use, as {@link ControlLink}'s `client.via.way` names it; undefined
   * while there is none.
   */
  async connectBetter(relay: string, than: string, signal: AbortSignal): Promise<ControlLink | undefined> {
    const client = await ControlClient.openBetter({ ...this.#dialling(relay, signal), signal }, than)
    return client === undefined ? undefined : await this.#introduce(client, relay, [], signal)
  }

  /**
   * Gets another certificate for the same key, and stores it.
   * @throws {ReachError} as {@link connect} does, ERR_REACH_NO_AUTHORITY, ERR_REACH_FILE
   */
  async renew(signal?: AbortSignal): Promise<void> {
    let last: unknown = new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the network has no relay')
    for (const relay of this.relays) {
      try {
        const { client } = await this.connectTo(relay, signal)
        try {
          await this.renewOn(client, signal)
          return
        } finally {
          client.close()
        }
      } catch (error) {
        signal?.throwIfAborted()
        last = error
        if (!isRelaysFault(error)) break
      }
    }
    throw last
  }

  /** The same on a connection that is open. */
  async renewOn(client: ControlClient, signal?: AbortSignal): Promise<void> {
    const request = toBase64(await makeCertificateRequest(this.#keys))
    const issued = await client.ask({ type: 'renew', request }, ['issued'], signal)
    await this.#takeState(issued, client)
    const nowMs = this.#runtime.clock.wallMs()
    const { issuedRecord } = membershipOf(issued, this.trust.rootSet, this.#keys, nowMs)
    await this.#store({ ...this.#record, ...issuedRecord, rootSet: this.trust.rootSet })
  }

  /**
   * Asks for something that only administrators may.
   * @throws {ReachError} ERR_REACH_TRUST_ROLE, and what the request can fail with
   */
  async administer(request: AdminRequest, signal?: AbortSignal): Promise<JsonReader> {
    const client = await this.#connectAsMember(signal)
    try {
      return (await client.ask({ type: 'admin', id: client.nextId(), request }, ['admin-result'], signal))
        .result
    } finally {
      client.close()
    }
  }

  /**
   * Takes over what another process has stored in the home folder since: its certificate, if it is younger than ours, its
   * roots and deny list. @throws {ReachError} ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE
   */
  async reload(): Promise<void> {
    const { home } = this
    const found = await Membership.open({ home, runtime: this.#runtime, allowOpenKeyFile: true })
    if (found.peerId !== this.peerId || found.domain !== this.domain) {
      throw new ReachError('ERR_REACH_HOME_DAMAGED', `${home} belongs to another member by now`, {
        hint: 'start again',
      })
    }
    const nowMs = this.#runtime.clock.wallMs()
    const { rootSet, denyList } = found.trust
    isNotOlder(() => this.trust.applyRootSet(rootSet.statement, nowMs))
    if (denyList !== undefined) isNotOlder(() => this.trust.applyDenyList(denyList.statement, nowMs))
    if (found.certificate.notAfterMs <= this.certificate.notAfterMs) return
    this.#record = found.#record
    this.#tell()
  }

  /** Believes and stores a statement that a relay sent. True when it was news. */
  async takePush(reply: ControlReply): Promise<boolean> {
    const nowMs = this.#runtime.clock.wallMs()
    if (reply.type === 'deny-list') {
      if (!this.trust.applyDenyList(fromWireStatement(reply.statement), nowMs)) return false
      await this.#storeDenyList()
      return true
    }
    if (reply.type !== 'root-set' || !this.trust.applyRootSet(fromWireStatement(reply.statement), nowMs))
      return false
    await this.#store({ ...this.#record, rootSet: this.trust.rootSet })
    return true
  }

  /** The home folder is left as it is from then on: what would store something fails with ERR_REACH_ABORTED. Idempotent. */
  close(): Promise<void> {
    return this.#writing.close()
  }

  /** Shows who we are, and takes over what the network says. */
  async #introduce(
    client: ControlClient,
    relay: string,
    addresses: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ControlLink> {
    try {
      const welcome = await client.authenticate(this.credentials, this.report, addresses, signal)
      await this.#takeState(welcome, client)
      const nowMs = this.#runtime.clock.wallMs()
      checkRelay(client.relayChain, this.trust.policy({ role: 'relay' }), nowMs, welcome.timeMs)
      return { client, welcome, relay, interceptedBy: interceptorOf(client, welcome) }
    } catch (error) {
      client.close()
      throw error
    }
  }

  #dialling(relay: string, signal: AbortSignal | undefined) {
    const check = (client: ControlClient) => this.#checkRelay(client, signal)
    return { runtime: this.#runtime, dialer: this.#dialer, relay: parseEndpoint(relay), check }
  }

  /** With a certificate that counts: one that has expired, or whose issuer was replaced, is renewed first. */
  async #connectAsMember(signal: AbortSignal | undefined): Promise<ControlClient> {
    const { client, welcome } = await this.connect(signal)
    if (!welcome.mustRenew) return client
    try {
      await this.renewOn(client, signal)
    } finally {
      client.close()
    }
    return (await this.connect(signal)).client
  }

  /** Before we show who we are. A root that is new to us may be vouched for by one that we know. */
  async #checkRelay(client: ControlClient, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#runtime
    const policy = () => this.trust.policy({ role: 'relay' })
    try {
      checkRelay(client.relayChain, policy(), clock.wallMs(), undefined)
    } catch (error) {
      if (!ReachError.is(error)) throw error
      const network = await client.ask({ type: 'ask-network' }, ['network'], signal)
      const isNews = this.trust.applyRootSet(fromWireStatement(network.rootSet), clock.wallMs())
      if (isNews) await this.#store({ ...this.#record, rootSet: this.trust.rootSet })
      checkRelay(client.relayChain, policy(), clock.wallMs(), network.timeMs)
    }
  }

  /** What is news is stored, and the relay told that we believe it. */
  async #takeState(state: NetworkState, client: ControlClient): Promise<void> {
    const { rootSet, denyList, relays, renewGraceMs } = state
    const nowMs = this.#runtime.clock.wallMs()
    const isNewRoots = isNotOlder(() => this.trust.applyRootSet(fromWireStatement(rootSet), nowMs))
    const isNewList =
      denyList !== undefined && isNotOlder(() => this.trust.applyDenyList(fromWireStatement(denyList), nowMs))
    if (isNewList) await this.#storeDenyList()
    const isSame = relays.join() === this.relays.join() && renewGraceMs === this.renewGraceMs
    if (isNewRoots || !isSame) {
      await this.#store({ ...this.#record, rootSet: this.trust.rootSet, relays, renewGraceMs })
    }
    if (isNewRoots || isNewList) client.tell({ type: 'report', ...this.report })
  }

  #store(record: MembershipRecord): Promise<void> {
    return this.#writing.take(async () => {
      await writeMembership(membershipPaths(this.home).membership, record)
      this.#record = record
      this.#tell()
    })
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  #storeDenyList(): Promise<void> {
    return this.#writing.take(async () => {
      const { denyList } = this.trust
      if (denyList !== undefined)
        await writeDenyList(membershipPaths(this.home).denyList(this.domain), denyList)
    })
  }
}

/** The relay says inside which certificate it shows outside; the dialer knows which one was shown. */
function interceptorOf({ via }: ControlClient, { webKey }: WelcomeReply): string | undefined {
  const { outerTls } = via
  if (outerTls === undefined || webKey === undefined || outerTls.spkiSha256 === webKey) return undefined
  return outerTls.issuer
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

/** True for what another relay may do better. */
function isRelaysFault(error: unknown): boolean {
  const codes = [
    'ERR_REACH_RELAY_UNREACHABLE',
    'ERR_REACH_TLS',
    'ERR_REACH_TLS_VERSION',
    'ERR_REACH_TIMEOUT',
    'ERR_REACH_DECODE',
    'ERR_REACH_ADDRESS',
    'ERR_REACH_NO_AUTHORITY',
  ] as const
  return (
    codes.some((code) => ReachError.is(error, code)) || (ReachError.is(error) && error.details['by'] === 'us')
  )
}
