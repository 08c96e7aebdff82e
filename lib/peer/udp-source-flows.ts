import { ReachError } from '../base/errors.ts'
import type { Clock, UdpPacket, UdpSocket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { formatAddress } from '../base/transport-address.ts'
import { DatagramQueue } from '../protocol/datagram/datagram-queue.ts'
import type { DatagramFlow } from '../session/datagram-flow.ts'
import { FlowLimit } from './flow-limit.ts'
import type { ForwardEvent } from './forwarding.ts'

/** What leads datagrams of local programs to a service. */
export interface UdpSourceSetup {
  /** Where they come in; answers leave from it. */
  readonly socket: UdpSocket
  readonly clock: Clock
  readonly maxFlows: number
  /** Opens a flow to the service; it need not be accepted yet. */
  readonly open: () => Promise<DatagramFlow>
  /** Says why a flow is over, in words for whoever wanted it. */
  readonly explain: (error: unknown) => ReachError
  readonly onEvent: ((event: ForwardEvent) => void) | undefined
}

/** Ours: while a flow is being opened, what a program sends at once waits: some DNS queries, one burst of a game. */
const WAITING_LIMITS = { maxBytes: 128 * 1024, maxAgeMs: 5000 } as const
/** Ours: after a failure, nothing is tried for so long: programs repeat what is not answered, each time a new dial. */
const FAILURE_PAUSE_MS = 1000

/** One program that sends: a port of this computer, or of one nearby. */
interface Source {
  readonly address: TransportAddress
  readonly waiting: DatagramQueue
  flow: DatagramFlow | undefined
  datagramsIn: number
  datagramsOut: number
}

/** A flow for each address that datagrams come from, opened by the first of them. */
export class UdpSourceFlows {
  readonly #setup: UdpSourceSetup
  readonly #sources = new Map<string, Source>()
  readonly #limit: FlowLimit
  #pausedUntilMs = -Infinity
  #isClosed = false

  constructor(setup: UdpSourceSetup) {
    this.#setup = setup
    this.#limit = new FlowLimit(setup.maxFlows)
    setup.socket.onPacket = (packet) => this.#take(packet)
  }

  /** Ends all flows. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#setup.socket.close()
    const flows = [...this.#sources.values()].flatMap(({ flow }) => flow ?? [])
    await Promise.all(flows.map((flow) => flow.close()))
  }

  #take({ bytes, from }: UdpPacket): void {
    const known = this.#sources.get(formatAddress(from))
    const source = known === undefined || known.flow?.isOpen === false ? this.#begin(from) : known
    if (source === undefined) return
    source.datagramsOut++
    if (source.flow === undefined) source.waiting.push(bytes, this.#setup.clock.nowMs())
    else source.flow.send(bytes)
  }

  /** Undefined when nothing is to be tried now. */
  #begin(address: TransportAddress): Source | undefined {
    const { clock, maxFlows } = this.#setup
    if (clock.nowMs() < this.#pausedUntilMs) return undefined
    // Those that are being opened are not in the limit's books yet.
    if (this.#sources.size - this.#limit.size >= maxFlows) return undefined
    const waiting = new DatagramQueue(WAITING_LIMITS)
    const source = { address, waiting, flow: undefined, datagramsIn: 0, datagramsOut: 0 }
    this.#sources.set(formatAddress(address), source)
    void this.#carry(source)
    return source
  }

  async #carry(source: Source): Promise<void> {
    const { open, onEvent } = this.#setup
    try {
      const flow = await open()
      this.#join(source, flow)
      const error = await flow.closed
      if (ReachError.is(error, 'ERR_REACH_STREAM_REFUSED')) throw error
      onEvent?.(countsOf(source, flow))
    } catch (error) {
      this.#failed(error)
    } finally {
      const key = formatAddress(source.address)
      if (this.#sources.get(key) === source) this.#sources.delete(key)
    }
  }

  #join(source: Source, flow: DatagramFlow): void {
    const { socket, clock } = this.#setup
    if (this.#isClosed) void flow.close()
    source.flow = flow
    this.#limit.add(flow, '')
    flow.onMessage = (bytes) => {
      source.datagramsIn++
      socket.send(bytes, source.address)
    }
    for (;;) {
      const next = source.waiting.shift(clock.nowMs())
      if (next === undefined) return
      flow.send(next)
    }
  }

  #failed(error: unknown): void {
    const { clock, explain, onEvent } = this.#setup
    this.#pausedUntilMs = clock.nowMs() + FAILURE_PAUSE_MS
    if (!this.#isClosed) onEvent?.({ kind: 'failed', error: explain(error) })
  }
}

function countsOf({ waiting, datagramsIn, datagramsOut }: Source, flow: DatagramFlow): ForwardEvent {
  const dropped = waiting.dropped + flow.droppedDatagrams
  return { kind: 'flow-closed', datagramsIn, datagramsOut, dropped, refused: 0 }
}
