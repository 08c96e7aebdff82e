import type { Duplex } from 'node:stream'
import { unreachable } from '../base/exhaustive.ts'
import type { Clock } from '../base/runtime.ts'
import { Driver } from '../net/driver.ts'
import { TcpCheck } from '../protocol/punch/tcp-check.ts'
import type {
  TcpCheckEffect,
  TcpCheckFailure,
  TcpCheckInput,
  TcpCheckOptions,
} from '../protocol/punch/tcp-check.ts'

/** Why a connection is not used: see {@link TcpCheckFailure}; `closed`, by the network or the other end. */
export type TcpConnectionFailure = TcpCheckFailure | 'closed'

/** Who hears what becomes of a {@link TcpConnection}. */
export interface TcpConnectionSink {
  onVerified(): void
  /** The stream is the listener's from now on, paused; what was read too much is in it again. */
  onNominated(): void
  onFailed(why: TcpConnectionFailure): void
  onError(error: unknown): void
}

/** What a {@link TcpConnection} needs. */
export interface TcpConnectionSetup {
  readonly stream: Duplex
  /** What had been read of the stream before. */
  readonly read?: Uint8Array
  readonly clock: Clock
  readonly options: TcpCheckOptions
}

/** One connection of an attempt while it is checked, from `start` on. */
export class TcpConnection {
  readonly stream: Duplex
  readonly #read: Uint8Array | undefined
  readonly #driver: Driver<TcpCheckInput, TcpCheckEffect>
  readonly #sink: TcpConnectionSink
  #isOver = false

  constructor({ stream, read, clock, options }: TcpConnectionSetup, sink: TcpConnectionSink) {
    this.stream = stream
    this.#read = read
    this.#sink = sink
    this.#driver = new Driver(
      new TcpCheck(options),
      clock,
      (effect) => this.#perform(effect),
      (error) => sink.onError(error),
    )
    // Stays: whoever gets the stream listens a moment later only.
    stream.on('error', ignoreError)
  }

  start(): void {
    const { stream } = this
    if (stream.destroyed) return this.#fail('closed')
    stream.on('data', this.#onData).once('end', this.#onGone).once('close', this.#onGone)
    this.#driver.feed({ kind: 'open' })
    if (this.#read !== undefined) this.#driver.feed({ kind: 'received', bytes: this.#read })
    if (!this.#isOver) stream.resume()
  }

  /** Says that this one is used. */
  nominate(): void {
    this.#driver.feed({ kind: 'nominate' })
  }

  /** Closes it, unless somebody else has it by now. Idempotent. */
  close(): void {
    if (this.#isOver) return
    this.#release()
    this.stream.destroy()
  }

  readonly #onData = (bytes: Uint8Array): void => this.#driver.feed({ kind: 'received', bytes })

  readonly #onGone = (): void => this.#fail('closed')

  #perform(effect: TcpCheckEffect): void {
    switch (effect.kind) {
      case 'send':
        this.stream.write(effect.bytes)
        return
      case 'verified':
        return this.#sink.onVerified()
      case 'nominated':
        return this.#handOver(effect.rest)
      case 'failed':
        return this.#fail(effect.why)
      default:
        return unreachable(effect)
    }
  }

  #handOver(rest: Uint8Array): void {
    this.#release()
    this.stream.pause()
    if (rest.length > 0) this.stream.unshift(rest)
    this.#sink.onNominated()
  }

  #fail(why: TcpConnectionFailure): void {
    if (this.#isOver) return
    this.close()
    this.#sink.onFailed(why)
  }

  #release(): void {
    this.#isOver = true
    this.#driver.stop()
    this.stream.off('data', this.#onData).off('end', this.#onGone).off('close', this.#onGone)
  }
}

function ignoreError(): void {
  // 'close' follows
}
