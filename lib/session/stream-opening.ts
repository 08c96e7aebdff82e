import { ReachError } from '../base/errors.ts'
import type { Clock } from '../base/runtime.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { MuxSession } from '../protocol/mux/mux-session.ts'
import type { MuxStream } from '../protocol/mux/mux-stream.ts'
import type { StreamContent } from '../protocol/mux/open-header.ts'
import { RESET_REASONS } from '../protocol/mux/reset-reason.ts'
import { DatagramFlow } from './datagram-flow.ts'
import type { DecideOpen, OpenDecision } from './open-decision.ts'
import type { SessionCarriers } from './session-carriers.ts'
import { DATAGRAM_SERVICE, SessionDatagrams } from './session-datagrams.ts'
import type { DatagramStream } from './session-datagrams.ts'
import type { SessionLife } from './session-life.ts'
import type { SessionStream } from './session-stream.ts'
import type { SessionStreams } from './session-streams.ts'

/** What opening streams needs of the session around it. */
export interface OpeningSurroundings {
  readonly clock: Clock
  readonly peer: PeerIdentity
  readonly decide: DecideOpen
  readonly life: SessionLife
  readonly mux: MuxSession
  readonly streams: SessionStreams
  readonly carriers: SessionCarriers
  /** The path that datagrams prefer. */
  readonly activePath: () => number | undefined
  /** A stream was opened: its first words are to leave at the end of this turn. */
  readonly opened: () => void
  /** The peer sent a datagram that belongs to no flow. */
  readonly onDatagram: (bytes: Uint8Array) => void
}

/** How streams and flows of a session begin: those that we open, and those that the peer asks for. */
export class StreamOpening {
  /** Those that belong to no flow; they have a stream of their own. */
  readonly datagrams: SessionDatagrams
  readonly #around: OpeningSurroundings

  constructor(around: OpeningSurroundings) {
    this.#around = around
    const open = () => this.#datagramStream(this.#open(DATAGRAM_SERVICE, 'bytes'))
    this.datagrams = new SessionDatagrams(open, around.onDatagram, () => around.clock.nowMs())
  }

  /**
   * @throws {ReachError} ERR_REACH_STREAM_REFUSED when there are too many, or the session takes none any more; why the
   * session is over
   */
  open(service: string): SessionStream {
    return this.#around.streams.adopt(this.#open(service, 'bytes'))
  }

  /** @throws {ReachError} as `open` does */
  openFlow(service: string): DatagramFlow {
    const mux = this.#open(service, 'datagrams')
    return this.#flowOf(this.#around.streams.adopt(mux), mux, true)
  }

  /** The peer opens a stream: the one place where it is decided whether it gets what it asks for. */
  offered(mux: MuxStream): void {
    if (mux.service === DATAGRAM_SERVICE) {
      this.datagrams.receive(this.#datagramStream(mux))
      return
    }
    let decision
    try {
      const { peer, decide } = this.#around
      decision = decide({ peer, service: mux.service ?? '', carries: mux.carries })
    } catch {
      mux.reset(RESET_REASONS.internal)
      return
    }
    if (decision.kind === 'refused') mux.reset(RESET_REASONS[decision.reason])
    else if ((decision.kind === 'allowed-flow') !== (mux.carries === 'datagrams')) {
      mux.reset(RESET_REASONS['wrong-transport'])
    } else this.#serve(mux, decision)
  }

  #serve(mux: MuxStream, decision: Exclude<OpenDecision, { kind: 'refused' }>): void {
    const { peer, streams } = this.#around
    const stream = streams.adopt(mux)
    try {
      if (decision.kind === 'allowed') decision.serve(stream, peer)
      else decision.serve(this.#flowOf(stream, mux, false), peer)
    } catch {
      stream.reset('internal')
    }
  }

  #open(service: string, carries: StreamContent): MuxStream {
    const { life, mux, clock } = this.#around
    life.checkOpen()
    const refusal = mux.openRefusal
    if (refusal !== undefined) {
      throw new ReachError('ERR_REACH_STREAM_REFUSED', `no stream can be opened: ${refusal}`, {
        details: { reason: refusal },
      })
    }
    this.#around.opened()
    return mux.open(service, clock.nowMs(), carries)
  }

  #datagramStream(mux: MuxStream): DatagramStream {
    return { stream: this.#around.streams.adopt(mux), ...this.#beside(mux) }
  }

  #flowOf(stream: SessionStream, mux: MuxStream, isOurs: boolean): DatagramFlow {
    const { clock } = this.#around
    return new DatagramFlow(stream, {
      ...{ isOurs, ...this.#beside(mux) },
      nowMs: () => clock.nowMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    })
  }

  /** The way for datagrams beside a stream: its id is the flow's. */
  #beside({ id }: MuxStream): Omit<DatagramStream, 'stream'> {
    const { carriers, activePath } = this.#around
    return {
      sendSealed: (bytes) => carriers.send(id, bytes, activePath()),
      receiveSealed: (take) => carriers.receive(id, take),
    }
  }
}
