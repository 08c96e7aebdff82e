import type { ReachError } from '../base/errors.ts'
import type { PeerId } from '../base/peer-id.ts'
import type { MembershipEvent } from '../membership/membership-event.ts'
import type { DirectReport } from './direct/direct-report.ts'
import type { PathState } from '../session/session-paths.ts'
import type { Session } from '../session/session.ts'

/** Who a session is with, for people and programs. */
export interface PeerNames {
  readonly peerId: PeerId
  readonly name: string | undefined
}

/** Who a session is with. */
export function namesOf({ peer }: Session): PeerNames {
  return { peerId: peer.peerId, name: peer.name }
}

/** What happens to a peer. */
export type PeerEvent =
  /** A relay knows us; others find us there when we expose something. */
  | {
      readonly kind: 'relay-up'
      readonly relay: string
      /** How it is reached: `direct`, `websocket`, the same behind `connect-proxy+` or `socks5+`. */
      readonly way: string
      /** Who ends TLS between us and the relay, and has signed the certificate for it. It sees no more than any router. */
      readonly interceptedBy: string | undefined
    }
  /** A better way to a relay was found and is in use; sessions that we began move there. As for `relay-up`. */
  | {
      readonly kind: 'way-improved'
      readonly relay: string
      readonly way: string
      readonly interceptedBy: string | undefined
    }
  /** The connection to a relay is gone; sessions over it are mended by others. */
  | {
      readonly kind: 'relay-down'
      readonly relay: string
      readonly error: ReachError
      readonly retryInMs: number
    }
  /** A relay is about to end, and hopes to be back so much later. Sessions that we began move to another one, if there is one. */
  | { readonly kind: 'relay-restarting'; readonly relay: string; readonly backInMs: number }
  /** Another process with our key takes the sessions that come over this relay. */
  | { readonly kind: 'superseded'; readonly relay: string }
  /** A session with somebody begins. */
  | { readonly kind: 'session'; readonly peer: PeerNames; readonly isOurs: boolean }
  /** What we send to a peer goes over this path from now on. */
  | { readonly kind: 'path'; readonly peer: PeerNames; readonly path: PathState }
  /** An attempt to find a direct path is over, on one side or on both. */
  | { readonly kind: 'direct'; readonly peer: PeerNames; readonly report: DirectReport }
  /** A session has no path for now. */
  | { readonly kind: 'path-lost'; readonly peer: PeerNames }
  | { readonly kind: 'session-ended'; readonly peer: PeerNames; readonly error: ReachError | undefined }
  /** Somebody wanted to begin a session, and did not get it. */
  | { readonly kind: 'refused'; readonly peer: PeerNames; readonly error: ReachError }
  /** A renewal, a deny list, new roots. */
  | { readonly kind: 'membership'; readonly event: MembershipEvent }
