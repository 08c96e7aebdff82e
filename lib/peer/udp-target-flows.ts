import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { transportAddress } from '../base/transport-address.ts'
import type { ConnectedUdp } from '../net/connected-udp.ts'
import { connectUdp } from '../net/connected-udp.ts'
import type { DatagramFlow } from '../session/datagram-flow.ts'
import type { ForwardEvent } from './forwarding.ts'

/** Ours: for a name that is on the same computer or network. */
const LOOKUP_TIMEOUT_MS = 10_000

/** Leads flows to a program that speaks UDP: each from a port of its own, so that it can tell who is who. */
export class UdpTargetFlows {
  readonly #runtime: Runtime
  readonly #target: Endpoint
  readonly #onEvent: ((event: ForwardEvent) => void) | undefined
  /** That nothing answers is told once, until something does. */
  #isRefusalTold = false

  constructor(runtime: Runtime, target: Endpoint, onEvent: ((event: ForwardEvent) => void) | undefined) {
    this.#runtime = runtime
    this.#target = target
    this.#onEvent = onEvent
  }

  /** Carries a flow to its end; it is accepted when there is a socket for it. Never rejects. */
  async serve(flow: DatagramFlow): Promise<void> {
    let socket: ConnectedUdp
    try {
      socket = await connectTarget(this.#runtime, this.#target)
    } catch (error) {
      flow.reset('target-unreachable')
      this.#onEvent?.({ kind: 'failed', error: unusable(this.#target, error) })
      return
    }
    const counts = this.#join(flow, socket)
    flow.accept()
    await flow.closed
    socket.close()
    this.#onEvent?.({ kind: 'flow-closed', ...counts, dropped: counts.dropped + flow.droppedDatagrams })
  }

  #join(flow: DatagramFlow, socket: ConnectedUdp) {
    const counts = { datagramsIn: 0, datagramsOut: 0, dropped: 0, refused: 0 }
    flow.onMessage = (bytes) => {
      counts.datagramsIn++
      if (!socket.send(bytes)) counts.dropped++
    }
    socket.onMessage = (bytes) => {
      counts.datagramsOut++
      this.#isRefusalTold = false
      flow.send(bytes)
    }
    // The program may be starting just now: a flow of UDP bears that.
    socket.onRefused = (code) => {
      counts.refused++
      this.#tellRefusal(code)
    }
    return counts
  }

  #tellRefusal(code: string): void {
    if (this.#isRefusalTold) return
    this.#isRefusalTold = true
    const where = formatEndpoint(this.#target)
    const error = new ReachError('ERR_REACH_SOCKET', `nothing answers at udp ${where} (${code})`, {
      hint: `start the program that should listen on ${where}, or expose another address`,
      details: { target: where, code },
    })
    this.#onEvent?.({ kind: 'failed', error })
  }
}

/** Throws when the name of a target is none; one that can't be asked for now may be found later. */
export async function checkTarget({ resolver, clock }: Runtime, { host }: Endpoint): Promise<void> {
  using deadline = deadlineSignal(clock, LOOKUP_TIMEOUT_MS)
  const found = await resolver.lookup(host, deadline.signal)
  if (found.kind === 'not-found') throw notFound(host, found.code)
}

async function connectTarget({ resolver, clock }: Runtime, { host, port }: Endpoint): Promise<ConnectedUdp> {
  // A program that listens on localhost does so over IPv4, while the name may lead to ::1 first, where UDP tells nobody.
  if (host === 'localhost') return connectUdp(transportAddress('127.0.0.1', port))
  using deadline = deadlineSignal(clock, LOOKUP_TIMEOUT_MS)
  const found = await resolver.lookup(host, deadline.signal)
  if (found.kind !== 'found') throw notFound(host, found.code)
  let last: unknown
  for (const ip of found.ips) {
    try {
      return await connectUdp(transportAddress(ip, port))
    } catch (error) {
      last = error
    }
  }
  throw last
}

function notFound(host: string, code: string): ReachError {
  return new ReachError('ERR_REACH_HOST_NOT_FOUND', `${host} can’t be resolved (${code})`, {
    hint: 'check how it is written, or give its address',
    details: { host, code },
  })
}

function unusable(target: Endpoint, error: unknown): ReachError {
  if (ReachError.is(error, 'ERR_REACH_HOST_NOT_FOUND')) return error
  const where = formatEndpoint(target)
  const message = error instanceof Error ? error.message : 'it failed'
  return new ReachError('ERR_REACH_SOCKET', `no way to udp ${where}: ${message}`, {
    cause: error,
    hint: 'check the address, and that this computer has a route to it',
    details: { target: where },
  })
}
