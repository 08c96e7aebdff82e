import type { KeyObject } from 'node:crypto'
import type { Endpoint } from '../../lib/base/endpoint.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Role } from '../../lib/base/peer-name.ts'
import { ROLES } from '../../lib/base/peer-name.ts'
import type { Random } from '../../lib/base/runtime.ts'
import type { Secret } from '../../lib/base/secret.ts'
import { Turns } from '../../lib/base/turns.ts'
import type { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { fileExists } from '../../lib/identity/files/atomic-file.ts'
import { AtomicStore, damaged } from '../../lib/identity/files/atomic-store.ts'
import { checkCertificateRequest } from '../../lib/identity/issue/certificate-request.ts'
import { LEAF_LIFETIME_MS, issueLeaf } from '../../lib/identity/issue/certificate-profiles.ts'
import { spkiOf } from '../../lib/identity/issue/signing-key.ts'
import type { KeyPair } from '../../lib/identity/keys/key-pair.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import type { TlsCredentials } from '../../lib/identity/tls/tls-options.ts'
import { rootToPin } from '../../lib/identity/trust/root-set.ts'
import type { TrustStore } from '../../lib/identity/trust/trust-store.ts'
import type { InstallRootsRequest, InviteRequest } from '../../lib/protocol/relay/admin-request.ts'
import type { InviteResult, NetworkStatus } from '../../lib/protocol/relay/admin-result.ts'
import type { NetworkState } from '../../lib/protocol/relay/control-reply.ts'
import type { TrustReport } from '../../lib/protocol/relay/control-request.ts'
import { MAX_JOIN_RELAYS, formatJoinString } from '../../lib/protocol/relay/join-string.ts'
import { AuditLog } from './audit-log.ts'
import type { AuthorityPaths } from './authority-paths.ts'
import { authorityPaths } from './authority-paths.ts'
import { checkMayDeny, whomToDeny } from './denial-rule.ts'
import { drawToken, isHashOf, printableTokenId } from './join-token.ts'
import { sha256Hex, spkiOfPeer } from './key-hash.ts'
import { formatLedger, parseLedger } from './ledger-format.ts'
import type { Ledger, Member } from './ledger.ts'
import { EMPTY_LEDGER, addToken, deny, enter, grantOf, note, renumber } from './ledger.ts'
import type { AuthorityMaterial } from './material.ts'
import { chainAbove, issuerOf, readMaterial, writeMaterial, writeRootCertificates } from './material.ts'
import { newsOf } from './member-report.ts'
import { networkStatus } from './network-status.ts'
import { RENEW_GRACE_MS, memberToRenew } from './renewal-rule.ts'
import { openTrust, publishRevocations } from './revocations.ts'
import { installRoots } from './root-installation.ts'
import { SshKeyRegister } from './ssh-key-register.ts'

/** How an authority works. */
export interface AuthorityOptions {
  readonly home: string
  readonly random: Random
  /** Calendar time in milliseconds since 1970. */
  readonly wallMs: () => number
  /** How long members' certificates live. Default {@link LEAF_LIFETIME_MS}. */
  readonly leafLifetimeMs?: number
  /** How long after its end a certificate may still be renewed. Default {@link RENEW_GRACE_MS}. */
  readonly renewGraceMs?: number
}

/** A certificate with everything above it. */
export type IssuedChain = readonly Certificate[]

/**
 * The authority of a network: it lets members in by tokens, renews their certificates, shuts them out, and takes new
 * roots from whoever holds the old one's key. What it promises is on the disk before anybody hears of it.
 */
export class Authority {
  readonly #options: AuthorityOptions
  readonly #paths: AuthorityPaths
  readonly #store: AtomicStore<Ledger>
  readonly #audit: AuditLog
  readonly trust: TrustStore
  readonly sshKeys: SshKeyRegister
  #material: AuthorityMaterial
  /** Changes come one after the other: each ends before the next looks at the ledger. */
  readonly #turns = new Turns()
  /** The relay's own key: SHA-256 of its SubjectPublicKeyInfo. */
  #ownKeySha256: string | undefined
  /** A key for a new issuing CA, until the root has signed it. */
  #nextIssuingKey: KeyObject | undefined

  private constructor(
    options: AuthorityOptions,
    store: AtomicStore<Ledger>,
    material: AuthorityMaterial,
    trust: TrustStore,
  ) {
    this.#options = options
    this.#paths = authorityPaths(options.home)
    this.#store = store
    this.#audit = new AuditLog(this.#paths.audit, options.wallMs)
    this.#material = material
    this.trust = trust
    this.sshKeys = new SshKeyRegister({
      ...{ store, audit: this.#audit, wallMs: options.wallMs },
      exclusively: (work) => this.#turns.take(work),
    })
  }

  /**
   * Opens the authority of a home folder that has one. Whoever opens it must hold the folder's lock.
   * @throws {ReachError} ERR_REACH_NO_AUTHORITY, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE_OPEN
   */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const paths = authorityPaths(options.home)
    const material = await readMaterial(paths.material)
    if (material === undefined) {
      throw new ReachError('ERR_REACH_NO_AUTHORITY', `${options.home} holds no network`, {
        hint: 'make one with  p2p-reach relay up',
      })
    }
    // An authority that forgot whom it shut out would let them in again.
    if (!(await fileExists(paths.ledger))) throw damaged(paths.ledger, new Error('it is gone'))
    const store = await AtomicStore.open<Ledger>({
      ...{ path: paths.ledger, initial: EMPTY_LEDGER, format: formatLedger, parse: parseLedger },
    })
    const trust = await openTrust(paths, material, store.state, options.wallMs())
    const authority = new Authority(options, store, material, trust)
    await authority.#publish()
    return authority
  }

  get domain(): string {
    return this.#material.rootSet.domain
  }

  get ledger(): Ledger {
    return this.#store.state
  }

  get renewGraceMs(): number {
    return this.#options.renewGraceMs ?? RENEW_GRACE_MS
  }

  /** The end of the issuing CA's certificate: nothing can be issued beyond it. */
  get issuingEndMs(): number {
    return issuerOf(this.#material).certificate.notAfterMs
  }

  /** What every member is told with its certificate. */
  networkState(relays: readonly string[]): NetworkState {
    return { ...this.trust.statements, relays, renewGraceMs: this.renewGraceMs }
  }

  /** Opens a token. @throws {ReachError} ERR_REACH_NAME, ERR_REACH_NAME_TAKEN, ERR_REACH_USAGE, ERR_REACH_FILE */
  invite(request: Omit<InviteRequest, 'op'>, relays: readonly Endpoint[], by: string): Promise<InviteResult> {
    return this.#turns.take(async () => {
      const { random, wallMs } = this.#options
      const { id: tokenId, secret, secretSha256 } = drawToken(random)
      const nowMs = wallMs()
      await this.#store.commit((ledger) => {
        const drawn = { id: tokenId, secretSha256 }
        return { state: addToken(ledger, { ...request, by }, drawn, nowMs), result: undefined }
      })
      const rootSha256 = rootToPin(this.trust.rootSet)?.spkiSha256 ?? ''
      this.#audit.write({
        event: 'invited',
        name: request.name,
        role: request.role,
        uses: request.uses,
        tokenId,
        by,
      })
      const joinString = formatJoinString({
        rootSha256,
        tokenId,
        secret,
        relays: relays.slice(0, MAX_JOIN_RELAYS),
      })
      return { joinString, tokenId, expiresAtMs: nowMs + request.expiresInMs }
    })
  }

  /**
   * Lets the holder of a key in, by a token: the token is burnt in the step that enters the certificate.
   * @param requestDer a PKCS #10 request
   * @throws {ReachError} ERR_REACH_TOKEN_…, ERR_REACH_NAME_TAKEN, ERR_REACH_REQUEST_REFUSED, ERR_REACH_TRUST_REVOKED
   */
  async enrol(tokenId: string, secret: Secret, requestDer: Uint8Array, from: string): Promise<IssuedChain> {
    const key = await checkCertificateRequest(requestDer)
    return this.#turns.take(async () => {
      const holder = { peerId: key.peerId, spkiSha256: sha256Hex(key.spki) }
      try {
        const matches = (secretSha256: string) => isHashOf(secret, secretSha256)
        const grant = grantOf(this.ledger, tokenId, matches, holder, this.#options.wallMs())
        const chain = await this.#issue(holder, grant, tokenId)
        this.#audit.write({
          event: 'enrolled',
          name: grant.name,
          role: grant.role,
          tokenId,
          from,
          ...about(holder),
        })
        return chain
      } catch (error) {
        const code = ReachError.is(error) ? error.code : 'unknown'
        this.#audit.write({
          event: 'enrolment refused',
          code,
          tokenId: printableTokenId(tokenId),
          from,
          ...about(holder),
        })
        throw error
      }
    })
  }

  /**
   * Another certificate for a member's key.
   * @throws {ReachError} ERR_REACH_PEER_UNKNOWN, ERR_REACH_TRUST_REVOKED, ERR_REACH_RENEWAL_TOO_LATE, ERR_REACH_REQUEST_REFUSED
   */
  async renew(peerId: PeerId, requestDer: Uint8Array): Promise<IssuedChain> {
    const key = await checkCertificateRequest(requestDer)
    if (key.peerId !== peerId) {
      throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'a certificate is renewed for the same key only')
    }
    return this.#turns.take(async () => {
      const member = this.mayRenew(peerId)
      const chain = await this.#issue(member, member, undefined)
      this.#audit.write({ event: 'renewed', name: member.name, ...about(member) })
      return chain
    })
  }

  /** The member that may renew. @throws {ReachError} as {@link renew} does */
  mayRenew(peerId: PeerId): Member {
    return memberToRenew(this.ledger, peerId, this.#options.wallMs(), this.renewGraceMs)
  }

  /** Shuts a member out for ever. @throws {ReachError} ERR_REACH_PEER_UNKNOWN, ERR_REACH_FILE */
  revoke(nameOrId: string, reason: string, by: string): Promise<Pick<Member, 'peerId' | 'name'>> {
    return this.#turns.take(async () => {
      const denial = whomToDeny(this.ledger, nameOrId)
      checkMayDeny(denial, this.#material, this.#ownKeySha256)
      const { peerId, name, spkiSha256 } = denial
      const deniedAtMs = this.#options.wallMs()
      await this.#store.commit((ledger) => ({
        state: deny(ledger, { spkiSha256, deniedAtMs, reason }),
        result: undefined,
      }))
      this.#audit.write({ event: 'revoked', name, reason, by, peerId })
      await this.#publish()
      return { peerId, name }
    })
  }

  /** Notes what a member said of itself, if it is news. */
  async note(peerId: PeerId, report: TrustReport, addresses?: readonly string[]): Promise<void> {
    const member = this.ledger.members.get(peerId)
    if (member === undefined) return
    const news = newsOf(member, report, addresses)
    if (news === undefined) return
    await this.#store.commit((ledger) => ({ state: note(ledger, peerId, news), result: undefined }))
  }

  /** The state of the network, for an administrator. */
  status(isConnected: (peerId: PeerId) => boolean): Omit<NetworkStatus, 'sshHostKey'> {
    return networkStatus(this.ledger, this.#material, this.#options.wallMs(), isConnected)
  }

  /** The issuing CA's public key (SubjectPublicKeyInfo in DER), for a root to sign. With `isNew`, a new one's. */
  issuingKey(isNew: boolean): Uint8Array {
    if (isNew) this.#nextIssuingKey = generateKeyPair().privateKey
    return spkiOf(
      isNew && this.#nextIssuingKey !== undefined ? this.#nextIssuingKey : this.#material.issuingKey,
    )
  }

  /**
   * Takes what the holder of a root's key has signed: roots, and a certificate for the issuing CA.
   * @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_REQUEST_REFUSED, ERR_REACH_ROOT_IN_USE, ERR_REACH_FILE
   */
  installRoots(request: Omit<InstallRootsRequest, 'op'>, by: string): Promise<void> {
    return this.#turns.take(async () => {
      const nowMs = this.#options.wallMs()
      const keys = [
        this.#material.issuingKey,
        ...(this.#nextIssuingKey === undefined ? [] : [this.#nextIssuingKey]),
      ]
      const next = installRoots(request, this.#material, keys, this.ledger, nowMs)
      const old = issuerOf(this.#material).certificate.spkiSha256
      await writeMaterial(this.#paths.material, next)
      this.#material = next
      await writeRootCertificates(this.#paths, next)
      this.trust.applyRootSet(next.rootSet.statement, nowMs)
      const isReplaced = request.denyOldIssuer && issuerOf(next).certificate.spkiSha256 !== old
      const key = { spkiSha256: old, deniedAtMs: nowMs, reason: 'the issuing CA was replaced' }
      await this.#store.commit((ledger) => ({
        state: isReplaced ? deny(ledger, key) : renumber(ledger),
        result: undefined,
      }))
      this.#audit.write({
        event: 'roots installed',
        number: next.rootSet.number,
        roots: next.rootSet.roots.length,
        by,
      })
      await this.#publish()
    })
  }

  /** The relay's own certificate, entered as a member like any other. */
  ownCredentials(keys: KeyPair, name: string): Promise<TlsCredentials> {
    return this.#turns.take(async () => {
      const holder = { peerId: keys.peerId, spkiSha256: sha256Hex(spkiOf(keys.publicKey)) }
      this.#ownKeySha256 = holder.spkiSha256
      const chain = await this.#issue(holder, { name, role: 'relay' }, undefined)
      return { chain, privateKey: keys.privateKey }
    })
  }

  /** Writes the revocation list for other software again: it has an end of its own. */
  refreshRevocationList(): Promise<void> {
    return this.#turns.take(() => this.#publish())
  }

  /** Resolves when everything is on the disk. Nothing changes any more: what would, fails with ERR_REACH_ABORTED. */
  async close(): Promise<void> {
    await this.#turns.close()
    await this.#store.close() // what members said of themselves waits for no turn
    await this.#audit.close()
  }

  async #issue(
    holder: Pick<Member, 'peerId' | 'spkiSha256'>,
    grant: { readonly name: string; readonly role: Role },
    tokenId: string | undefined,
  ): Promise<IssuedChain> {
    const { wallMs, leafLifetimeMs = LEAF_LIFETIME_MS } = this.#options
    const nowMs = wallMs()
    const { name, role } = grant
    const spki = spkiOfPeer(holder.peerId)
    const subject = { name, domain: this.domain, roles: rolesOf(role), spki }
    const leaf = await issueLeaf(subject, issuerOf(this.#material), nowMs, leafLifetimeMs)
    const { serial, notAfterMs } = leaf
    await this.#store.commit((ledger) => {
      const state = enter(ledger, tokenId, { ...holder, name, role }, { serial, notAfterMs }, nowMs)
      return { state, result: undefined }
    })
    return [leaf, ...chainAbove(this.#material)]
  }

  /** Signs the deny list if it changed, and writes the revocation list. */
  async #publish(): Promise<void> {
    await publishRevocations(this.#paths, this.#material, this.ledger, this.trust, this.#options.wallMs())
  }
}

/** Relays and administrators are peers, too. */
function rolesOf(role: Role): readonly Role[] {
  return role === 'peer' ? ['peer'] : ROLES.filter((one) => one === 'peer' || one === role)
}

function about({ peerId }: Pick<Member, 'peerId'>): { readonly peerId: string } {
  return { peerId }
}
