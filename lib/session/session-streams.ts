import { unreachable } from '../base/exhaustive.ts'
import type { ReachError } from '../base/errors.ts'
import type { Clock } from '../base/runtime.ts'
import type { MuxEvent } from '../protocol/mux/mux-event.ts'
import type { MuxStream } from '../protocol/mux/mux-stream.ts'
import type { Loans } from './loans.ts'
import type { SendMemory } from './send-memory.ts'
import { SessionStream } from './session-stream.ts'
import type { StreamSurroundings } from './session-stream.ts'

/** What the mux tells of a stream that is there. */
export type StreamEvent = Exclude<Extract<MuxEvent, { readonly stream: MuxStream }>, { kind: 'open' }>

/** What the streams need of the session around them. */
export interface StreamsSetup {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly memory: SendMemory
  readonly loans: Loans
  nowMs(): number
  /** Something was done to a stream: what it has to say is to leave at the end of this turn. */
  touched(): void
}

/** The streams of a session, and what the mux tells each of them. */
export class SessionStreams {
  readonly #setup: StreamsSetup
  readonly #streams = new Map<MuxStream, SessionStream>()
  /** Destroyed, and waiting for their last bytes to leave. */
  readonly #lingering = new Set<SessionStream>()
  readonly #surroundings: StreamSurroundings

  constructor(setup: StreamsSetup) {
    this.#setup = setup
    this.#surroundings = {
      memory: setup.memory,
      nowMs: () => setup.nowMs(),
      setTimer: (delayMs, callback) => setup.clock.setTimer(delayMs, callback),
      touched: () => setup.touched(),
      destroyed: (stream, mux) => {
        if (stream.isLingering) this.#lingering.add(stream)
        else this.#streams.delete(mux)
      },
      over: (stream, mux) => {
        this.#lingering.delete(stream)
        this.#streams.delete(mux)
      },
    }
  }

  /** Makes a stream of the mux one of ours. */
  adopt(mux: MuxStream): SessionStream {
    const stream = new SessionStream(mux, this.#surroundings)
    this.#streams.set(mux, stream)
    return stream
  }

  take(event: StreamEvent): void {
    const stream = this.#streams.get(event.stream)
    switch (event.kind) {
      case 'accepted':
        stream?.takeAccepted()
        return
      case 'data':
        if (stream === undefined) event.stream.consume(event.bytes.length, this.#setup.nowMs())
        else this.#setup.loans.gave(stream.takeData(event.bytes))
        return
      case 'end':
        stream?.takeEnd()
        return
      case 'writable':
        stream?.takeWritable()
        return
      case 'closed':
        stream?.takeClosed()
        this.#streams.delete(event.stream)
        return
      case 'reset':
        stream?.takeReset(event.code)
        this.#streams.delete(event.stream)
        return
      default:
        unreachable(event)
    }
  }

  /** Bytes have moved: those of streams that linger may have left. */
  settleLingering(): void {
    if (this.#lingering.size === 0) return // nearly always
    for (const stream of this.#lingering) {
      if (stream.hasLeft()) this.#lingering.delete(stream)
    }
  }

  /** The session ended under them. */
  end(error: ReachError): void {
    for (const stream of [...this.#streams.values()]) stream.takeSessionEnd(error)
    this.#streams.clear()
    this.#lingering.clear()
  }
}
