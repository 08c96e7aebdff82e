import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { DatagramFlow } from '../session/datagram-flow.ts'
import { callHandler } from './call-handler.ts'
import { FlowLimit } from './flow-limit.ts'
import type { ServeFlow } from './service-table.ts'

/** How long flows live, and how many. */
export interface FlowOptions {
  /**
   * A flow ends when nothing was sent and nothing came for so long; `Infinity`: never. Default 2 minutes, the least that
   * RFC 4787 (REQ-5) grants UDP behind a NAT. The shorter one of both sides counts.
   */
  readonly idleMs?: number
  /** When more are open, the longest silent one of who has most of them ends. Default 1024. */
  readonly maxFlows?: number
}

/** RFC 4787 REQ-5. */
export const FLOW_IDLE_MS = 120_000
/** Ours: a quarter of the streams that a peer may have open. */
export const MAX_FLOWS = 1024

/** Who serves datagrams: gets each flow, accepted, and who opened it. */
export type FlowHandler = (flow: DatagramFlow, peer: PeerIdentity) => unknown

/** Flows for a handler: accepted as they come. What the handler throws ends the flow. */
export function serveFlowsWith(handler: FlowHandler): ServeFlow {
  return (flow, peer) => {
    flow.accept()
    callHandler(handler, flow, peer)
  }
}

/** The same flows, of which each ends when it is idle, and some when there are too many. @throws {RangeError} for no such limits */
export function limitFlows(serve: ServeFlow, options: FlowOptions): ServeFlow {
  checkFlowOptions(options)
  const limit = new FlowLimit(options.maxFlows ?? MAX_FLOWS)
  return (flow, peer) => {
    limit.add(flow, peer.peerId)
    setIdle(flow, options)
    serve(flow, peer)
  }
}

/** @throws {RangeError} for what is no span of time, or no number of flows */
export function checkFlowOptions({ idleMs = FLOW_IDLE_MS, maxFlows = MAX_FLOWS }: FlowOptions): void {
  if (!(idleMs > 0)) throw new RangeError(`flows can’t end after ${idleMs} ms`)
  if (!(maxFlows >= 1)) throw new RangeError(`a service of ${maxFlows} flows`)
}

export function setIdle(flow: DatagramFlow, { idleMs = FLOW_IDLE_MS }: FlowOptions): void {
  flow.setIdleTimeout(idleMs === Infinity ? 0 : idleMs)
}
