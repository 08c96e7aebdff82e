import type { ExecutionContext } from 'ava'
import { parseEndpoint } from '../../../lib/base/endpoint.ts'
import type { Runtime, TcpSocket } from '../../../lib/base/runtime.ts'
import type { ControlClient } from '../../../lib/membership/control-client.ts'
import type { Membership } from '../../../lib/membership/membership.ts'
import { RelayClient } from '../../../lib/relay/relay-client.ts'
import type { Incoming } from '../../../lib/relay/relay-client.ts'
import type { DataService } from '../../../relay-server/data/data-service.ts'
import { memberOf, runtimeAt } from '../network-support.ts'
import type { TestNetwork } from '../network-support.ts'

/** A member with one connection to the relay of its network. */
export interface TestPeer {
  readonly membership: Membership
  readonly control: ControlClient
  readonly client: RelayClient
}

/** Another connection of the same member; it is closed when the test ends. */
export async function connectionOf(
  t: ExecutionContext,
  membership: Membership,
  runtime: Runtime = runtimeAt(),
): Promise<TestPeer> {
  const { client: control, relay } = await membership.connect()
  t.teardown(() => control.close())
  return {
    membership,
    control,
    client: new RelayClient({ channel: control, runtime, relay: parseEndpoint(relay) }),
  }
}

/** A new member of that name, connected. */
export async function peerOf(
  t: ExecutionContext,
  network: TestNetwork,
  name: string,
  runtime?: Runtime,
): Promise<TestPeer> {
  return connectionOf(t, await memberOf(t, network, name), runtime)
}

/** Registers a peer that answers every path; the sockets of its side come out in their order. */
export async function listenWith(
  t: ExecutionContext,
  { client }: TestPeer,
  onSocket: (socket: TcpSocket) => void,
): Promise<number> {
  client.onIncoming = (incoming) => {
    incoming.accept().then(
      (socket) => {
        t.teardown(() => socket.destroy())
        onSocket(socket)
      },
      () => undefined,
    )
  }
  return client.register()
}

/** Two ends of one path that the relay carries. */
export async function pathBetween(
  t: ExecutionContext,
  from: TestPeer,
  to: TestPeer,
): Promise<readonly [TcpSocket, TcpSocket]> {
  const accepted = new Promise<TcpSocket>((resolve, reject) => {
    to.client.onIncoming = (incoming) => void incoming.accept().then(resolve, reject)
  })
  await to.client.register()
  const [{ socket }, other] = await Promise.all([
    from.client.dial(to.membership.certificate.peerId ?? ''),
    accepted,
  ])
  t.teardown(() => [socket, other].forEach((end) => end.destroy()))
  return [socket, other]
}

/** The next path that somebody wants, not yet answered. */
export function nextIncoming({ client }: TestPeer): Promise<Incoming> {
  return new Promise((resolve) => (client.onIncoming = resolve))
}

export function dataOf({ relay }: TestNetwork): DataService {
  const { network } = relay
  if (network === undefined) throw new Error('the relay has no network')
  return network.data
}

/** Waits for what will be true soon. */
export async function until(what: () => boolean, withinMs = 5000): Promise<void> {
  const endMs = Date.now() + withinMs
  while (!what()) {
    if (Date.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
