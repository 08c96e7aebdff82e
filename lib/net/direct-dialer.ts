import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { ControlStream, RelayDialer, RelayStream } from '../base/relay-dialer.ts'
import type { Runtime, TcpSocket } from '../base/runtime.ts'
import { transportAddress } from '../base/transport-address.ts'

/** Dials relays by TCP and in no other way. */
export function directDialer(runtime: Runtime): RelayDialer {
  return {
    async dial(relay, trial, signal) {
      const socket = await connectByName(runtime, relay, signal)
      try {
        return await trial.open(controlStream(runtime, socket), signal)
      } catch (error) {
        socket.destroy()
        throw error
      }
    },
    improve: () => Promise.resolve(undefined),
  }
}

function controlStream(runtime: Runtime, socket: TcpSocket): ControlStream {
  return {
    ...plainStream(socket, 'direct'),
    openLeg: async (signal) =>
      plainStream(await runtime.network.connectTcp(socket.remote, { signal }), 'direct'),
    wasCut: () => undefined,
  }
}

/** A TCP connection as a stream to a relay. */
export function plainStream(socket: TcpSocket, way: string): RelayStream {
  socket.on('error', () => undefined) // 'close' follows
  return { stream: socket, way, local: socket.local, remote: socket.remote, keepaliveMs: undefined }
}

async function connectByName(runtime: Runtime, relay: Endpoint, signal: AbortSignal): Promise<TcpSocket> {
  const found = await runtime.resolver.lookup(relay.host, signal)
  if (found.kind !== 'found') throw unreachableRelay(relay, `its name can’t be resolved (${found.code})`)
  let last: unknown
  for (const ip of found.ips) {
    try {
      return await runtime.network.connectTcp(transportAddress(ip, relay.port, 'tcp'), { signal })
    } catch (error) {
      last = error
      if (signal.aborted) break
    }
  }
  throw unreachableRelay(relay, last instanceof Error ? last.message : 'it has no address', last)
}

/** ERR_REACH_RELAY_UNREACHABLE, and what to do. */
export function unreachableRelay(relay: Endpoint, why: string, cause?: unknown): ReachError {
  return new ReachError(
    'ERR_REACH_RELAY_UNREACHABLE',
    `the relay ${formatEndpoint(relay)} can’t be reached: ${why}`,
    {
      cause,
      hint: 'check that it is up and that its address is right;  p2p-reach diagnose  says which ways out work here',
      details: { relay: formatEndpoint(relay) },
    },
  )
}
