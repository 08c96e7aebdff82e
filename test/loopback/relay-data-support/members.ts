import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ExecutionContext } from 'ava'
import { toBase64 } from '../../../lib/base/base64.ts'
import { parseEndpoint } from '../../../lib/base/endpoint.ts'
import type { PeerId } from '../../../lib/base/peer-id.ts'
import type { Runtime } from '../../../lib/base/runtime.ts'
import type { ControlClient } from '../../../lib/membership/control-client.ts'
import type { Membership } from '../../../lib/membership/membership.ts'
import type { ReplyOf } from '../../../lib/protocol/relay/control-channel.ts'
import type { IncomingReply } from '../../../lib/protocol/relay/control-reply.ts'
import { encodeLegHead, legStatusName } from '../../../lib/protocol/relay/data-leg.ts'
import { RelayClient } from '../../../lib/relay/relay-client.ts'
import type { Incoming } from '../../../lib/relay/relay-client.ts'
import type { DataService } from '../../../relay-server/data/data-service.ts'
import { memberOf, runtimeAt } from '../network-support.ts'
import type { TestNetwork } from '../network-support.ts'
import { connectTo } from '../relay-support/relay.ts'

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
  onSocket: (socket: Duplex) => void,
): Promise<number> {
  const open = new Set<Duplex>()
  t.teardown(() => open.forEach((socket) => socket.destroy()))
  client.onIncoming = (incoming) => {
    incoming.accept().then(
      ({ stream: socket }) => {
        open.add(socket)
        socket.once('close', () => open.delete(socket))
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
): Promise<readonly [Duplex, Duplex]> {
  const accepted = new Promise<Duplex>((resolve, reject) => {
    to.client.onIncoming = (incoming) => void incoming.accept().then(({ stream }) => resolve(stream), reject)
  })
  await to.client.register()
  const [{ leg }, other] = await Promise.all([from.client.dial(peerIdOf(to)), accepted])
  to.client.onIncoming = undefined
  t.teardown(() => [leg.stream, other].forEach((end) => end.destroy()))
  return [leg.stream, other]
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

export function peerIdOf({ membership }: TestPeer): PeerId {
  const { peerId } = membership.certificate
  if (peerId === undefined) throw new Error('a member has a PeerId')
  return peerId
}

/** Resolves when a connection is closed, however it came to that. */
export function closeOf(socket: Duplex): Promise<void> {
  socket.on('error', () => undefined).resume()
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

export function aTicket(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}

/** Asks for a path, and brings no leg. */
export function askToOpen(
  { control }: TestPeer,
  peer: string,
  ticket: Uint8Array = aTicket(),
): Promise<ReplyOf<'opening'>> {
  return control.ask({ type: 'open', id: control.nextId(), peer, ticket: toBase64(ticket) }, ['opening'])
}

/** The next `incoming` that the relay sends, with its ticket. */
export function nextIncomingReply({ control }: TestPeer): Promise<IncomingReply> {
  return new Promise((resolve) => {
    const unwatch = control.watch((reply) => {
      if (reply.type !== 'incoming') return
      unwatch()
      resolve(reply)
    })
  })
}

/** A data leg by hand. */
export async function legOf(
  t: ExecutionContext,
  { port }: TestNetwork,
  ticket: Uint8Array = aTicket(),
): Promise<Socket> {
  const socket = await connectTo(t, port)
  socket.allowHalfOpen = true
  socket.write(encodeLegHead(ticket))
  return socket
}

/** What the relay says to a leg; `closed` when it says nothing before the end. */
export function statusOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (chunk: Uint8Array) => {
      socket.pause()
      resolve(legStatusName(chunk[0] ?? 0) ?? `status ${chunk[0] ?? 0}`)
    })
    socket.once('end', () => resolve('closed')).once('close', () => resolve('closed'))
  })
}
