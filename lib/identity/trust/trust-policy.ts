import type { PeerId } from '../../base/peer-id.ts'
import type { Role } from '../../base/peer-name.ts'
import type { Certificate } from '../certificate/certificate.ts'

/** One private network as its members know it. */
export interface NetworkTrust {
  /** What the names of its members end in. */
  readonly domain: string
  /** Whose signatures count; two while a root is being replaced. */
  readonly roots: readonly Certificate[]
}

/** Whose connection is accepted, and as whom. Absent conditions are not asked. */
export interface TrustPolicy {
  /** The key that was dialled: the other side must hold it, whatever its certificate says. */
  readonly peerId?: PeerId
  /** Keys that are accepted without a network. */
  readonly pinned?: ReadonlySet<PeerId>
  /** The network whose members are accepted. */
  readonly network?: NetworkTrust
  /** The name that was dialled: the certificate must carry it. */
  readonly name?: string
  /** What the other side must be allowed to be. */
  readonly role?: Role
  /** Keys that are refused whatever else holds: SHA-256 of their SubjectPublicKeyInfo in hex. */
  readonly denied?: Pick<ReadonlySet<string>, 'has'>
}

/** What the other side showed in its handshake, leaf first. Possession of the leaf's key is proven by then. */
export type PresentedChain = readonly Certificate[]

/** Who the other side is. The only object that permissions are decided on. */
export interface PeerIdentity {
  readonly peerId: PeerId
  /** `key`: it holds a key that we named. `network`: a root of the network vouches for its name and roles. */
  readonly by: 'key' | 'network'
  /** Undefined where nobody vouches for one. */
  readonly name: string | undefined
  readonly roles: readonly Role[]
  /** Keys of its path, leaf first: SHA-256 of SubjectPublicKeyInfo in hex. Denying any of them denies the peer. */
  readonly keys: readonly string[]
}

/** Why somebody is refused; each is an error code of its own. */
export type TrustRefusal =
  | 'ERR_REACH_TRUST_NO_CERTIFICATE'
  | 'ERR_REACH_TRUST_UNKNOWN_ISSUER'
  | 'ERR_REACH_TRUST_OTHER_NETWORK'
  | 'ERR_REACH_TRUST_EXPIRED'
  | 'ERR_REACH_TRUST_NOT_YET_VALID'
  | 'ERR_REACH_TRUST_CHAIN'
  | 'ERR_REACH_TRUST_NAME_CONSTRAINT'
  | 'ERR_REACH_TRUST_REVOKED'
  | 'ERR_REACH_TRUST_WRONG_KEY'
  | 'ERR_REACH_TRUST_WRONG_NAME'
  | 'ERR_REACH_TRUST_ROLE'

/** What {@link decideTrust} answers. */
export type TrustDecision =
  | { readonly kind: 'trusted'; readonly identity: PeerIdentity }
  | {
      readonly kind: 'refused'
      readonly code: TrustRefusal
      /** What is wrong, for people: no blame, lower case, no full stop. */
      readonly message: string
    }
