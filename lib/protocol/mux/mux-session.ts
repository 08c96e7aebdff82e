import { ReachError } from '../../base/errors.ts'
import { FrameParser } from './frame-parser.ts'
import { GO_AWAY_CODES, MAX_GO_AWAY_CODE } from './go-away.ts'
import { MuxCore } from './mux-core.ts'
import type { OpenRefusal } from './mux-core.ts'
import type { MuxEnd, MuxEvent } from './mux-event.ts'
import { MuxInput } from './mux-input.ts'
import type { MuxSetup } from './mux-options.ts'
import { MuxOutput } from './mux-output.ts'
import type { MuxStream } from './mux-stream.ts'
import type { StreamContent } from './open-header.ts'
import { OpenWriter } from './open-writer.ts'
import { asViolation } from './violation.ts'

/**
 * Many streams over one ordered, reliable byte stream, in the frames of yamux.
 *
 * No `Machine<Input, Effect>`, though it keeps its contract of time: output is pulled by the link as far as that has room
 * (as effects it would wait in a queue with nothing to bound it, and no stream could get its turn in between), and
 * what users do goes to the stream at hand, not through a table of inputs.
 *
 * Contract: after calls, at the latest at the end of the turn of the event loop, drain `poll()`, then pull while the link
 * takes bytes and `hasOutput`; pulling makes events, too. Arm one timer at `deadlineMs`. What is called in one
 * turn comes out in one pull, small frames in one chunk.
 */
export class MuxSession {
  readonly #core: MuxCore
  readonly #parser = new FrameParser()
  readonly #input: MuxInput
  readonly #output: MuxOutput
  readonly #openWriter = new OpenWriter()

  /** @throws {RangeError} for options that make no sense */
  constructor(setup: MuxSetup, nowMs: number) {
    this.#core = new MuxCore(setup, nowMs)
    this.#input = new MuxInput(this.#core, nowMs)
    this.#output = new MuxOutput(this.#core)
  }

  /** How it ended; undefined while it has not. */
  get end(): MuxEnd | undefined {
    return this.#core.end
  }

  /** Why `open` can't be called now; undefined when it can. */
  get openRefusal(): OpenRefusal | undefined {
    return this.#core.openRefusal
  }

  /** Streams that are not over. */
  get streamCount(): number {
    return this.#core.streams.size
  }

  /** The round trip in ms, the smallest of the last few; undefined before it was measured. */
  get rttMs(): number | undefined {
    return this.#core.keepalive.rttMs
  }

  /** What streams make us hold: received bytes that were not consumed, and by how much windows have grown. */
  get memory(): { readonly held: number; readonly windowGrowth: number } {
    return { held: this.#core.budget.held, windowGrowth: this.#core.budget.grown }
  }

  /** True when `poll` would give something. */
  get hasEvents(): boolean {
    return this.#core.events.length > 0
  }

  /** The next event; undefined once drained. */
  poll(): MuxEvent | undefined {
    return this.#core.events.shift()
  }

  /**
   * Opens a stream. It can be written to at once: OPEN and what is written in the same turn leave in one frame. The answer
   * comes as `accepted` or `reset`.
   * @param service what it leads to; undefined exactly when the session has no OPEN headers
   * @param carries who carries datagrams queues little, so that the oldest can still be dropped
   * @throws {RangeError} when `openRefusal` says why, or the service is no name of a service
   */
  open(service: string | undefined, nowMs: number, carries: StreamContent = 'bytes'): MuxStream {
    const refusal = this.#core.openRefusal
    if (refusal !== undefined) throw new RangeError(`no stream can be opened: ${refusal}`)
    if ((service !== undefined) !== this.#core.setup.hasOpenHeaders) {
      throw new RangeError('a service is named on sessions with OPEN headers, and only there')
    }
    const header = service === undefined ? undefined : this.#openWriter.encode({ service, carries })
    const record = this.#core.openOurs({ service, carries }, nowMs)
    if (header !== undefined) record.queue.push(header)
    this.#core.schedule(record)
    return record
  }

  /**
   * Bytes came in. They are the session's from now on: `data` events are views of them. What breaks the protocol ends
   * the session, and tells the peer.
   */
  receive(chunk: Uint8Array, nowMs: number): void {
    if (this.#core.end !== undefined) return
    this.#input.nowMs = nowMs
    this.#core.keepalive.heard(nowMs)
    try {
      this.#parser.push(chunk, this.#input)
    } catch (error) {
      this.#core.finish({ kind: 'failed', error: asViolation(error) }, GO_AWAY_CODES.protocolError)
    }
  }

  /** True when `pull` would give something. */
  get hasOutput(): boolean {
    return this.#output.hasSomething
  }

  /**
   * The next bytes for the link, as chunks for one write; none when there is nothing to say. Payloads are the chunks that
   * were written, not copies.
   * @param maxLength how much the link takes now; exceeded only when it is less than 1,036 bytes, up to these
   */
  pull(maxLength: number, nowMs: number): readonly Uint8Array[] {
    return this.#output.next(maxLength, nowMs)
  }

  /** Takes leave: no new streams in either direction; those that are open go on, and then it ends as `finished`. */
  drain(): void {
    this.#core.drain()
  }

  /**
   * Ends it at once, and all streams with it.
   * @param code what the peer is told: one of GO_AWAY_CODES, or any other number of 32 bits
   * @throws {RangeError} for a code that is none
   */
  close(code: number = GO_AWAY_CODES.normal): void {
    if (!Number.isInteger(code) || code < 0 || code > MAX_GO_AWAY_CODE) {
      throw new RangeError(`go away code ${code} is not from 0 to 2^32 - 1`)
    }
    this.#core.finish({ kind: 'closed', by: 'us', code }, code)
  }

  /** The link is gone. It ends as `finished` when both sides had taken leave of all streams, else as lost. */
  transportClosed(): void {
    const isAtRest = this.#core.streams.size === 0 && this.#parser.isAtBoundary
    if (isAtRest && (this.#core.isDraining || this.#core.isPeerDraining)) {
      return this.#core.finish({ kind: 'finished' }, undefined)
    }
    const message = 'the connection to the peer was closed while it was in use'
    this.#core.finish({ kind: 'failed', error: new ReachError('ERR_REACH_SESSION_LOST', message) }, undefined)
  }

  /** When `handleTimeout` is due, in monotonic ms; undefined when never. */
  get deadlineMs(): number | undefined {
    const { deadlineMs } = this.#core.keepalive
    return this.#core.end !== undefined || deadlineMs === Infinity ? undefined : deadlineMs
  }

  /** The deadline may have passed: a ping is due, or the peer is given up. */
  handleTimeout(nowMs: number): void {
    if (this.#core.end !== undefined || this.#core.keepalive.check(nowMs)) return
    const { timeoutMs } = this.#core.options.keepalive
    const error = new ReachError('ERR_REACH_SESSION_LOST', 'the peer does not answer', {
      details: { timeoutMs },
    })
    this.#core.finish({ kind: 'failed', error }, undefined)
  }
}
