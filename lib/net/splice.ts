import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../base/runtime.ts'
import { takeOver } from './chunk-source.ts'
import { nodeClock } from './node-clock.ts'
import { MAX_READ_BYTES, ReadBufferPool } from './read-buffer.ts'
import { ReadCrowd } from './read-crowd.ts'
import { resetConnection } from './reset-connection.ts'
import { SpliceDirection } from './splice-direction.ts'
import { SplicePace } from './splice-pace.ts'
import { systemCode } from './system-error.ts'

/** One of the two connections of a splice, in the order in which they were given. */
export type SpliceSide = 'a' | 'b'

/**
 * How a splice ended:
 * - `ended`: both sides said that they were done, and everything was handed on
 * - `reset`: one side broke off or vanished; `code` is the system's (ECONNRESET, EPIPE, ETIMEDOUT, …)
 * - `idle`: nothing moved for the idle time
 * - `aborted`: by the signal, by `close()`, or because a connection's owner destroyed it
 */
export type SpliceEnd =
  | { readonly kind: 'ended' }
  | { readonly kind: 'reset'; readonly side: SpliceSide; readonly code: string }
  | { readonly kind: 'idle' }
  | { readonly kind: 'aborted' }

export interface SpliceOptions {
  readonly signal?: AbortSignal
  /** Ends the splice when no byte moved for so long. Default {@link IDLE_TIMEOUT_MS}; Infinity: never. */
  readonly idleTimeoutMs?: number
  /** Bytes per second, both directions together. Default: no limit. */
  readonly maxBytesPerS?: number
  /** Where large read buffers are borrowed. Default: one pool for the whole process. */
  readonly pool?: ReadBufferPool
  /** Default: the clock of this process. */
  readonly clock?: Clock
}

/** RFC 5382 REQ-5: what lies between two TCP peers keeps a silent connection for at least 2 hours and 4 minutes. */
export const IDLE_TIMEOUT_MS = 124 * 60_000

/** Ours: finds peers that vanished where nothing is sent; rarer than the keepalives of any protocol inside. */
const KEEPALIVE_AFTER_MS = 5 * 60_000

const sharedPool = new ReadBufferPool()
const sharedCrowd = new ReadCrowd(nodeClock)
const NOTHING = new Uint8Array(0)

/**
 * Joins two connected sockets both ways, until both have ended. What each has read already and not consumed goes first,
 * so whoever read a head puts the rest back with `unshift()`. An end is handed on while the other direction goes on; a
 * reset is handed on as a reset, so that nobody takes a torso for the whole. A receiver that stalls stops its sender.
 *
 * From now on both connections belong to the splice: nothing else may read, write or end them, and their addresses are
 * to be read before. `destroy()` on either aborts the splice. They need `allowHalfOpen` from their first read on, or an
 * early end of one side has closed both directions before. Sockets (TCP, unix) are copied without an allocation for each
 * chunk; other streams (TLS) work as well, at the cost of what they allocate.
 * @throws {RangeError} for a time or a rate that is not positive
 */
export function splice(a: Duplex, b: Duplex, options: SpliceOptions = {}): Splice {
  return new Splice(a, b, options)
}

/** Two connections joined by {@link splice}. */
export class Splice implements AsyncDisposable {
  /** How it ended. Resolves when both connections are closed and nothing is left of the splice; never rejects. */
  readonly closed: Promise<SpliceEnd>
  readonly #settle: (end: SpliceEnd) => void
  readonly #signal: AbortSignal | undefined
  readonly #pace: SplicePace
  readonly #aToB: SpliceDirection
  readonly #bToA: SpliceDirection
  /** Everything that has to close before the splice is over: the connections, and what took them over. */
  readonly #open = new Set<Duplex>()
  /** A connection whose handle was taken over → what reads and writes in its stead. */
  readonly #successors = new Map<Duplex, Duplex>()
  #outcome: SpliceEnd | undefined

  /** Use {@link splice}. */
  constructor(a: Duplex, b: Duplex, options: SpliceOptions) {
    const { clock = nodeClock, idleTimeoutMs = IDLE_TIMEOUT_MS, maxBytesPerS, pool = sharedPool } = options
    const pace = new SplicePace({
      clock,
      idleTimeoutMs,
      maxBytesPerS,
      onIdle: () => this.#finish({ kind: 'idle' }),
      onRelease: () => this.#unhold(),
      onRest: () => this.#rest(),
    })
    const maxReadBytes = Math.min(MAX_READ_BYTES, pace.burstBytes)
    this.#pace = pace
    this.#aToB = new SpliceDirection({ pool, maxReadBytes, pace, crowd: sharedCrowd })
    this.#bToA = new SpliceDirection({ pool, maxReadBytes, pace, crowd: sharedCrowd })
    let settle: (end: SpliceEnd) => void = () => undefined
    this.closed = new Promise((resolve) => (settle = resolve))
    this.#settle = settle
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#onAbort)
    this.#watch('a', a)
    this.#watch('b', b)
    if (this.#signal?.aborted === true) this.#onAbort()
    if (this.#outcome === undefined) whenFlushed(a, () => whenFlushed(b, () => this.#join(a, b)))
    this.#settleWhenClosed()
  }

  /** Bytes that came from `a` so far, those read before the splice included. */
  get bytesAToB(): number {
    return this.#aToB.bytes
  }

  /** Bytes that came from `b` so far, those read before the splice included. */
  get bytesBToA(): number {
    return this.#bToA.bytes
  }

  /** Bytes of memory that the read buffers take now, both directions together. */
  get bufferBytes(): number {
    return this.#aToB.bufferBytes + this.#bToA.bufferBytes
  }

  /** Resets both connections. Resolves like `closed`. Harmless when repeated. */
  close(): Promise<SpliceEnd> {
    this.#onAbort()
    return this.closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  readonly #onAbort = (): void => this.#finish({ kind: 'aborted' })

  #join(a: Duplex, b: Duplex): void {
    if (this.#outcome !== undefined) return
    const fromA = takeOver(a, this.#aToB)
    const fromB = takeOver(b, this.#bToA)
    this.#replace('a', a, fromA.stream)
    this.#replace('b', b, fromB.stream)
    this.#aToB.start(fromA, fromB.stream)
    this.#bToA.start(fromB, fromA.stream)
  }

  /** A connection and what took it over live and die together. */
  #replace(side: SpliceSide, connection: Duplex, stream: Duplex): void {
    tune(stream)
    if (stream === connection) return
    this.#successors.set(connection, stream)
    this.#watch(side, stream)
    stream.once('close', () => connection.destroy())
  }

  #watch(side: SpliceSide, stream: Duplex): void {
    if (stream.destroyed || !stream.writable) this.#finish(endOf(side, stream.errored))
    // One that is destroyed may have told everybody already that it is closed.
    if (stream.destroyed) return
    const onError = (error: Error) => this.#finish(endOf(side, error))
    this.#open.add(stream)
    stream.on('error', onError)
    stream.once('close', () => {
      stream.off('error', onError)
      this.#open.delete(stream)
      if (!isFinished(this.#successors.get(stream) ?? stream)) this.#onAbort()
      this.#settleWhenClosed()
    })
    if (this.#outcome !== undefined) resetConnection(stream)
  }

  #finish(outcome: SpliceEnd): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    this.#pace.stop()
    for (const stream of this.#open) if (!this.#successors.has(stream)) resetConnection(stream)
  }

  #settleWhenClosed(): void {
    if (this.#open.size > 0) return
    this.#pace.stop()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#aToB.release()
    this.#bToA.release()
    this.#settle(this.#outcome ?? { kind: 'ended' })
  }

  #rest(): void {
    this.#aToB.rest()
    this.#bToA.rest()
  }

  #unhold(): void {
    this.#aToB.unhold()
    this.#bToA.unhold()
  }
}

function endOf(side: SpliceSide, error: Error | null): SpliceEnd {
  return error === null ? { kind: 'aborted' } : { kind: 'reset', side, code: systemCode(error) }
}

function isFinished(stream: Duplex): boolean {
  return stream.readableEnded && stream.writableFinished
}

/** Calls back once all that was written before has been taken by the system; at once when it has. */
function whenFlushed(connection: Duplex, callback: () => void): void {
  if (connection.writableLength === 0) callback()
  else connection.write(NOTHING, () => callback())
}

function tune(stream: Duplex): void {
  if (!(stream instanceof Socket)) return
  stream.setNoDelay(true)
  stream.setKeepAlive(true, KEEPALIVE_AFTER_MS)
}
