import type { Runtime, Timer } from '../lib/base/runtime.ts'
import type { KeyPair } from '../lib/identity/keys/key-pair.ts'
import { renewalDueMs } from '../lib/identity/renewal-time.ts'
import type { TlsCredentials } from '../lib/identity/tls/tls-options.ts'
import type { Authority } from './authority/authority.ts'

/** Ours: a day; the revocation list lives for a week. */
const CRL_REFRESH_MS = 86_400_000
/** Ours: after a failure, which can only be the disk's. */
const RETRY_MS = 60_000

/** The relay's certificate under its own authority: renewed in time, and at once when the roots change. */
export class OwnCertificate {
  readonly #runtime: Runtime
  readonly #authority: Authority
  readonly #keys: KeyPair
  readonly #name: string
  readonly #onCredentials: (credentials: TlsCredentials) => void
  readonly #unwatch: () => void
  #credentials: TlsCredentials
  #rootSetNumber: number
  #timer: Timer | undefined
  #crlTimer: Timer | undefined
  #isClosed = false

  constructor(
    runtime: Runtime,
    authority: Authority,
    keys: KeyPair,
    name: string,
    onCredentials: (credentials: TlsCredentials) => void,
  ) {
    this.#runtime = runtime
    this.#authority = authority
    this.#keys = keys
    this.#name = name
    this.#onCredentials = onCredentials
    this.#credentials = { chain: [], privateKey: keys.privateKey }
    this.#rootSetNumber = authority.trust.rootSet.number
    this.#unwatch = authority.trust.watch(() => {
      if (authority.trust.rootSet.number === this.#rootSetNumber) return
      this.#rootSetNumber = authority.trust.rootSet.number
      this.#renewLater(0)
    })
    this.#refreshCrlLater()
  }

  get credentials(): TlsCredentials {
    return this.#credentials
  }

  async renew(): Promise<void> {
    const { clock, random } = this.#runtime
    this.#credentials = await this.#authority.ownCredentials(this.#keys, this.#name)
    if (this.#isClosed) return
    this.#onCredentials(this.#credentials)
    const [leaf] = this.#credentials.chain
    if (leaf !== undefined) this.#renewLater(renewalDueMs(leaf, random.bytes(2)) - clock.wallMs())
  }

  close(): void {
    this.#isClosed = true
    this.#unwatch()
    this.#timer?.cancel()
    this.#crlTimer?.cancel()
  }

  #renewLater(delayMs: number): void {
    this.#timer?.cancel()
    if (this.#isClosed) return
    this.#timer = this.#runtime.clock.setTimer(Math.max(0, delayMs), () => {
      this.renew().catch(() => this.#renewLater(RETRY_MS))
    })
  }

  #refreshCrlLater(): void {
    this.#crlTimer = this.#runtime.clock.setTimer(CRL_REFRESH_MS, () => {
      this.#authority.refreshRevocationList().catch(() => undefined) // tomorrow again; the list lives for a week
      this.#refreshCrlLater()
    })
  }
}
