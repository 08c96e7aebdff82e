import { joinNetwork as enrol } from '../membership/join-network.ts'
import type { EnrolOptions, JoinResult } from '../membership/join-network.ts'
import type { ProxyEnvironment } from '../net/outward/proxy-environment.ts'
import { RelayWays } from '../ways/relay-ways.ts'

/** How a network is joined. */
export interface JoinOptions extends EnrolOptions {
  /** Environment variables: the proxies that HTTPS_PROXY, ALL_PROXY, HTTP_PROXY and NO_PROXY name. Default: none. */
  readonly env?: ProxyEnvironment
}

/**
 * Joins a network: makes a key if the home has none, checks that the relay belongs to the root that the string names,
 * and only then shows it the token. The certificate, the roots and the relays are put into the home in one step. The
 * relay is reached as a `Peer` reaches it: also where only TLS, WebSockets or a proxy get through.
 * @throws {ReachError} ERR_REACH_JOIN_STRING, ERR_REACH_JOIN_WRONG_ROOT, ERR_REACH_TOKEN_USED, ERR_REACH_TOKEN_EXPIRED,
 * ERR_REACH_TOKEN_UNKNOWN, ERR_REACH_NAME_TAKEN, ERR_REACH_CLOCK, ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_ALREADY_MEMBER,
 * ERR_REACH_HOME_IN_USE, and those of files
 */
export async function joinNetwork({ env = {}, ...options }: JoinOptions): Promise<JoinResult> {
  const { runtime, home } = options
  const ways = new RelayWays({ runtime, home, env })
  try {
    return await enrol({ ...options, dialer: options.dialer ?? ways })
  } finally {
    await ways.close()
  }
}
