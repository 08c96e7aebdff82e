import { toBase64 } from '../base/base64.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { JsonReader } from '../base/json-reader.ts'
import type { PeerId } from '../base/peer-id.ts'
import type { Role } from '../base/peer-name.ts'
import type { RelayDialer } from '../base/relay-dialer.ts'
import type { Runtime } from '../base/runtime.ts'
import type { Certificate } from '../identity/certificate/certificate.ts'
import { claimOf } from '../identity/certificate/claim.ts'
import { makeCertificateRequest } from '../identity/issue/certificate-request.ts'
import type { TlsCredentials } from '../identity/tls/tls-options.ts'
import type { TrustStore } from '../identity/trust/trust-store.ts'
import type { AdminRequest } from '../protocol/relay/admin-request.ts'
import type { ControlReply, NetworkState, WelcomeReply } from '../protocol/relay/control-reply.ts'
import type { TrustReport } from '../protocol/relay/control-request.ts'
import { checkRelay } from './clock-difference.ts'
import { ControlClient } from './control-client.ts'
import { MembershipBook } from './membership-book.ts'

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
 * Our place in a network: what the home folder holds of it (`MembershipBook`), and the connections to relays that bring it up to
 * date.
 */
export class Membership {
  readonly #book: MembershipBook
  readonly #runtime: Runtime
  readonly #dialer: RelayDialer | undefined

  private constructor(options: OpenMembershipOptions, book: MembershipBook) {
    this.#book = book
    this.#runtime = options.runtime
    this.#dialer = options.dialer
  }

  /**
   * Reads the membership of a home folder. Sends nothing.
   * @throws {ReachError} ERR_REACH_NOT_A_MEMBER, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
   */
  static async open(options: OpenMembershipOptions): Promise<Membership> {
    return new Membership(options, await MembershipBook.open(options.home, options.allowOpenKeyFile === true))
  }

  get home(): string {
    return this.#book.home
  }

  /** Whom we believe. */
  get trust(): TrustStore {
    return this.#book.trust
  }

  get peerId(): PeerId {
    return this.#book.keys.peerId
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
    return this.#book.certificate
  }

  /** What to show in handshakes. */
  get credentials(): TlsCredentials {
    const { record, keys } = this.#book
    return { chain: record.chain, privateKey: keys.privateKey }
  }

  /** Relays of the network as HOST:PORT, best first. */
  get relays(): readonly string[] {
    return this.#book.record.relays
  }

  /** SSH servers that the join string named, as URLs with the pins of their host keys. */
  get ssh(): readonly string[] {
    return this.#book.record.ssh
  }

  get renewGraceMs(): number {
    return this.#book.record.renewGraceMs
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
    return { ...this.trust.statements, relays: this.relays, renewGraceMs: this.renewGraceMs }
  }

  /** Calls back after each change of the certificate, until the function that it answers is called. */
  watchCertificate(watcher: () => void): () => void {
    return this.#book.watch(watcher)
  }

  /**
   * Connects to the first relay that answers, proves our key, and takes over what the network says. The caller closes
   * the client.
   * @param addresses of a relay: where others reach it
   * @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_CLOCK, ERR_REACH_RENEWAL_TOO_LATE, ERR_REACH_TRUST_…
   */
  async connect(signal?: AbortSignal, addresses: readonly string[] = []): Promise<ControlLink> {
    return await this.#atFirst((relay) => this.connectTo(relay, signal, addresses), signal)
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
    await this.#atFirst(async (relay) => {
      const { client } = await this.connectTo(relay, signal)
      try {
        await this.renewOn(client, signal)
      } finally {
        client.close()
      }
    }, signal)
  }

  /** The same on a connection that is open. */
  async renewOn(client: ControlClient, signal?: AbortSignal): Promise<void> {
    const request = toBase64(await makeCertificateRequest(this.#book.keys))
    const issued = await client.ask({ type: 'renew', request }, ['issued'], signal)
    await this.#takeState(issued, client)
    await this.#book.takeIssued(issued, this.#runtime.clock.wallMs())
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
  reload(): Promise<void> {
    return this.#book.reload(this.#runtime.clock.wallMs())
  }

  /** Believes and stores a statement that a relay sent. True when it was news. */
  takePush(reply: ControlReply): Promise<boolean> {
    return this.#book.takePush(reply, this.#runtime.clock.wallMs())
  }

  /** The home folder is left as it is from then on: what would store something fails with ERR_REACH_ABORTED. Idempotent. */
  close(): Promise<void> {
    return this.#book.close()
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
      await this.#book.takeRoots(network.rootSet, clock.wallMs())
      checkRelay(client.relayChain, policy(), clock.wallMs(), network.timeMs)
    }
  }

  /** What is news is stored, and the relay told that we believe it. */
  async #takeState(state: NetworkState, client: ControlClient): Promise<void> {
    const isNews = await this.#book.takeState(state, this.#runtime.clock.wallMs())
    if (isNews) client.tell({ type: 'report', ...this.report })
  }

  /** Tries one relay after the other, as long as the next one may do better. */
  async #atFirst<Result>(
    attempt: (relay: string) => Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    let last: unknown = new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the network has no relay')
    for (const relay of this.relays) {
      try {
        return await attempt(relay)
      } catch (error) {
        signal?.throwIfAborted()
        last = error
        if (!isRelaysFault(error)) break // another relay would say the same
      }
    }
    throw last
  }
}

/** The relay says inside which certificate it shows outside; the dialer knows which one was shown. */
function interceptorOf({ via }: ControlClient, { webKey }: WelcomeReply): string | undefined {
  const { outerTls } = via
  if (outerTls === undefined || webKey === undefined || outerTls.spkiSha256 === webKey) return undefined
  return outerTls.issuer
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
