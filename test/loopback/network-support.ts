import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Runtime } from '../../lib/base/runtime.ts'
import type { JoinResult } from '../../lib/membership/join-network.ts'
import { joinNetwork } from '../../lib/membership/join-network.ts'
import { Membership } from '../../lib/membership/membership.ts'
import { NetworkAdmin } from '../../lib/membership/network-admin.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { PeerEvent } from '../../lib/peer/peer-event.ts'
import type { PeerOptions } from '../../lib/peer/peer-options.ts'
import { Peer } from '../../lib/peer/peer.ts'
import { administerHome } from '../../relay-server/administer-home.ts'
import type { RelayServer, RelayServerOptions } from '../../relay-server/relay-server.ts'
import type { OwnNetworkOptions } from '../../relay-server/network-service.ts'
import { folderOf, openRelay, tcpPort } from './relay-support/relay.ts'

/** A runtime whose calendar is moved; everything else is real. */
export function runtimeAt(shiftMs = 0): Runtime {
  const runtime = nodeRuntime({ interfaces: { includeLoopback: true } })
  const { clock } = runtime
  return {
    ...runtime,
    clock: {
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs() + shiftMs,
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    },
  }
}

/** A relay with a network of its own, on a port that the system picks. */
export interface TestNetwork {
  readonly home: string
  readonly relay: RelayServer
  readonly port: number
  readonly admin: NetworkAdmin
  /** A string for one peer, that lives for an hour. */
  invite(name: string): Promise<string>
}

/** Opens one; it is closed when the test ends. */
export async function networkOf(
  t: ExecutionContext,
  options: Partial<OwnNetworkOptions> = {},
  relayOptions: Partial<RelayServerOptions> = {},
): Promise<TestNetwork> {
  const home = options.home ?? join(folderOf(t), 'relay')
  const relays: RelayServer[] = []
  const publicAddresses = () => relays.map((relay) => ({ host: '127.0.0.1', port: tcpPort(relay) }))
  const opened = await openRelay({
    tls: { kind: 'own', home, hosts: ['127.0.0.1'] },
    network: { kind: 'own', home, publicAddresses, ...options },
    ...relayOptions,
  })
  relays.push(opened)
  t.teardown(() => opened.close())
  const runtime = runtimeAt()
  const admin = new NetworkAdmin(
    async (request) => {
      const answer = await administerHome(runtime, home, request)
      if (answer === undefined) throw new Error('no network')
      return answer
    },
    () => runtime.clock.wallMs(),
  )
  const invite = async (name: string) => {
    const { joinString } = await admin.invite({ name, role: 'peer', uses: 1, expiresInMs: 3_600_000 })
    return joinString
  }
  return { home, relay: opened, port: tcpPort(opened), admin, invite }
}

/** Joins with a string, in a home of its own. */
export async function joinWith(
  t: ExecutionContext,
  joinString: string,
  home = folderOf(t),
): Promise<JoinResult & { readonly home: string }> {
  return { ...(await joinNetwork({ home, joinString, runtime: runtimeAt() })), home }
}

/** A new member of that name. */
export async function memberOf(t: ExecutionContext, network: TestNetwork, name: string): Promise<Membership> {
  const { home } = await joinWith(t, await network.invite(name))
  return Membership.open({ home, runtime: runtimeAt() })
}

/** A peer of a network, and all that it was told. */
export interface TestPeer {
  readonly peer: Peer
  readonly home: string
  readonly events: PeerEvent[]
}

/** Opens a new member of that name, or the one whose home is given; it is closed when the test ends. */
export async function peerOf(
  t: ExecutionContext,
  network: TestNetwork,
  name: string,
  options: Partial<PeerOptions> = {},
): Promise<TestPeer> {
  const home = options.home ?? (await joinWith(t, await network.invite(name))).home
  const events: PeerEvent[] = []
  const peer = await Peer.open({ relayOnly: true, onEvent: (event) => events.push(event), ...options, home })
  t.teardown(() => peer.close())
  return { peer, home, events }
}
