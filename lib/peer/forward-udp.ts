import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import { transportAddress } from '../base/transport-address.ts'
import type { ForwardEvent, Forwarding } from './forwarding.ts'
import { explained } from './open-stream.ts'
import type { Exposure, ListenDatagramsOptions } from './peer-options.ts'
import type { Peer } from './peer.ts'
import type { FlowOptions } from './served-flow.ts'
import { MAX_FLOWS, checkFlowOptions, setIdle } from './served-flow.ts'
import { parseServiceAddress } from './service-address.ts'
import { UdpSourceFlows } from './udp-source-flows.ts'
import { UdpTargetFlows, checkTarget } from './udp-target-flows.ts'

/** How a UDP target is exposed. */
export interface ExposeUdpOptions extends ListenDatagramsOptions {
  readonly onEvent?: (event: ForwardEvent) => void
}

/** How local datagrams are forwarded to a service. */
export interface ForwardUdpOptions extends FlowOptions {
  readonly signal?: AbortSignal
  readonly onEvent?: (event: ForwardEvent) => void
}

/**
 * Exposes a program that speaks UDP, on this computer or one that it can reach. Each flow gets a port of its own, which
 * the program sees as where its datagrams come from. A program that is away ends no flow.
 * @throws {ReachError} as `Peer.listen`; ERR_REACH_HOST_NOT_FOUND
 */
export async function exposeUdp(
  peer: Peer,
  service: string,
  target: Endpoint,
  options: ExposeUdpOptions = {},
): Promise<Exposure> {
  await checkTarget(peer.runtime, target)
  const flows = new UdpTargetFlows(peer.runtime, target, options.onEvent)
  return peer.listenDatagramsRaw(service, (flow) => void flows.serve(flow), options)
}

/**
 * Listens on a UDP port of this computer, and leads the datagrams of each address that sends there to the service, as a
 * flow of its own.
 * @param listen where; port 0 for one that the system picks
 * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export async function forwardUdp(
  peer: Peer,
  address: string,
  listen: Endpoint,
  options: ForwardUdpOptions = {},
): Promise<Forwarding> {
  const { signal, onEvent, maxFlows = MAX_FLOWS } = options
  checkFlowOptions(options)
  const target = parseServiceAddress(address)
  const { ip, port, family } = transportAddress(
    listen.host === 'localhost' ? '127.0.0.1' : listen.host,
    listen.port,
  )
  const socket = await peer.runtime.network.openUdp({ family, ip, port })
  const open = async () => {
    const session = await peer.sessionWith(target.peer, signal)
    const flow = session.openFlow(target.service)
    setIdle(flow, options)
    return flow
  }
  const explain = (error: unknown) => asReach(explained(error, target))
  const flows = new UdpSourceFlows({ socket, clock: peer.runtime.clock, maxFlows, open, explain, onEvent })
  const close = () => flows.close()
  const local = formatEndpoint({ host: ip, port: socket.local.port })
  return { local, close, [Symbol.asyncDispose]: close }
}

function asReach(error: unknown): ReachError {
  if (ReachError.is(error)) return error
  return new ReachError('ERR_REACH_SESSION_LOST', 'the flow could not be opened', { cause: error })
}
