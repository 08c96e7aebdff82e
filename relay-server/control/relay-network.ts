import type { TlsCredentials } from '../../lib/identity/tls/tls-options.ts'
import type { TrustStore } from '../../lib/identity/trust/trust-store.ts'
import type { NetworkState } from '../../lib/protocol/relay/control-reply.ts'
import type { Authority } from '../authority/authority.ts'

/** The network that a relay serves, whether it is the relay's own or one that it has joined. */
export interface RelayNetwork {
  readonly trust: TrustStore
  /** The relay's certificate and key; another one after each renewal. */
  readonly credentials: TlsCredentials
  /** What members are told when they come. */
  readonly state: () => NetworkState
  /** Undefined on a relay that only serves: it lets nobody in and renews nothing. */
  readonly authority: Authority | undefined
}
