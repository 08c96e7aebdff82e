import process from 'node:process'
import type { ProxyEnvironment, Runtime } from '../lib/index.ts'
import { Membership, NetworkAdmin, ReachError, RelayWays } from '../lib/index.ts'
import { administerHome } from '../relay-server/relay-server.ts'

/** The network that a home folder may administer: its own, or one that it has joined as an administrator. */
export function adminOf(home: string, runtime: Runtime, signal: AbortSignal): NetworkAdmin {
  const ask = async (request: Parameters<typeof administerHome>[2]) =>
    (await administerHome(runtime, home, request)) ??
    (await memberOf(home, runtime)).administer(request, signal)
  return new NetworkAdmin(ask, () => runtime.clock.wallMs())
}

/** How this program reaches relays. */
export function waysOf(home: string, runtime: Runtime): RelayWays {
  return new RelayWays({ runtime, home, env: proxyEnvironment() })
}

/** Where the proxies of this computer are named. */
export function proxyEnvironment(): ProxyEnvironment {
  return process.env
}

async function memberOf(home: string, runtime: Runtime): Promise<Membership> {
  try {
    return await Membership.open({ home, runtime, dialer: waysOf(home, runtime) })
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_NOT_A_MEMBER')) throw error
    throw new ReachError('ERR_REACH_NO_AUTHORITY', `${home} neither holds a network nor belongs to one`, {
      cause: error,
      hint: 'run it on the relay with the  --home  of  p2p-reach relay up,  or join as an administrator',
    })
  }
}
