import type { Membership } from '../../lib/index.ts'
import type { JoinedNetworkOptions } from '../../relay-server/relay-server.ts'

/** The network of a membership, for a relay that has joined it: it lets nobody in and renews nothing. */
export function joinedNetwork(membership: Membership): JoinedNetworkOptions {
  return {
    kind: 'joined',
    network: {
      trust: membership.trust,
      get credentials() {
        return membership.credentials
      },
      state: () => membership.networkState,
      authority: undefined,
    },
    onCredentials: (listener) => void membership.watchCertificate(listener),
  }
}
