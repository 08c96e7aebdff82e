import type { Runtime, Timer } from '../base/runtime.ts'
import { publishNetworkChanged } from './diagnostics.ts'
import type { ClockReading, NetworkChange, NetworkSnapshot } from './network-snapshot.ts'
import { detectSleep, diffNetwork } from './network-snapshot.ts'

export interface NetworkChangeWatcherOptions {
  readonly onChange: (change: NetworkChange) => void
  /** How often to look. @default 5000 */
  readonly intervalMs?: number
}

/** Ours: a roaming laptop should be back in under 5 s plus one look, and looking costs less than a millisecond. */
export const WATCH_INTERVAL_MS = 5_000

/**
 * Tells when this host's addresses or default gateways change, and when it slept. It looks at intervals: a child process
 * that reports changes sooner (`ip monitor`) would have to be found, watched and restarted on one system of three, to
 * win seconds; whoever sees a send fail can call `check()` instead.
 */
export class NetworkChangeWatcher implements Disposable {
  readonly #runtime: Pick<Runtime, 'clock' | 'network'>
  readonly #onChange: (change: NetworkChange) => void
  readonly #intervalMs: number
  #isClosed = false
  #timer: Timer | undefined
  #lastTick: ClockReading | undefined
  #snapshot: NetworkSnapshot | undefined
  #checking: Promise<void> | undefined

  constructor(runtime: Pick<Runtime, 'clock' | 'network'>, options: NetworkChangeWatcherOptions) {
    this.#runtime = runtime
    this.#onChange = options.onChange
    this.#intervalMs = options.intervalMs ?? WATCH_INTERVAL_MS
  }

  /** Starts to watch; resolves once the present state is known, from which changes count. Harmless when repeated. */
  async start(): Promise<void> {
    if (this.#timer === undefined && !this.#isClosed) this.#arm()
    await this.check()
  }

  /** Looks now. Resolves when all changes found were told. */
  check(): Promise<void> {
    return (this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined
    }))
  }

  /** Stops everything; nothing is told any more. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** The next tick is armed before anything else is done, so that ticks lie one interval apart however long a look takes. */
  #arm(): void {
    const { clock } = this.#runtime
    this.#lastTick = { monotonicMs: clock.nowMs(), wallMs: clock.wallMs() }
    this.#timer = clock.setTimer(this.#intervalMs, () => this.#tick())
  }

  #tick(): void {
    const before = this.#lastTick
    this.#arm()
    const after = this.#lastTick
    if (before !== undefined && after !== undefined) {
      const slept = detectSleep(before, after, this.#intervalMs)
      if (slept !== undefined) this.#tell(slept)
    }
    void this.check()
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return
    const { network } = this.#runtime
    const after = { interfaces: network.interfaces(), gateways: await network.defaultGateways() }
    const before = this.#snapshot
    this.#snapshot = after
    if (before === undefined) return
    for (const change of diffNetwork(before, after)) this.#tell(change)
  }

  #tell(change: NetworkChange): void {
    if (this.#isClosed) return
    publishNetworkChanged(
      change.kind === 'slept' ? { kind: change.kind, sleptMs: change.sleptMs } : { kind: change.kind },
    )
    this.#onChange(change)
  }
}
