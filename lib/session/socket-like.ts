import { Duplex } from 'node:stream'
import type { DuplexOptions } from 'node:stream'
import type { IdleSurroundings } from './idle-timer.ts'
import { IdleTimer } from './idle-timer.ts'

/** A Duplex that passes for a `net.Socket`: what `node:http`, `ws` and others call beside a Duplex's methods. */
export abstract class SocketLike extends Duplex {
  /** Undefined while nobody has asked for `timeout`: most streams never do. */
  #idle: IdleTimer | undefined

  constructor(options: DuplexOptions) {
    super({ allowHalfOpen: true, decodeStrings: true, ...options })
  }

  /** As of `net.Socket`: destroys it as soon as what was written has left. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** As of `net.Socket`, for who takes this for one; there is nothing to set. */
  setNoDelay(): this {
    return this
  }

  /** As of `net.Socket`: the session asks by itself whether the peer is there. */
  setKeepAlive(): this {
    return this
  }

  /**
   * As of `net.Socket`: `timeout` is emitted when nothing has come or gone for so long, and once more whenever that is so
   * after something did. Nothing else happens: who wants to give the stream up destroys it. 0 ends it.
   * @param callback hears of the next `timeout`; with 0: hears of it no more
   * @throws {RangeError} for what is no span of time
   */
  setTimeout(idleMs: number, callback?: () => void): this {
    if (this.destroyed) return this
    if (idleMs !== 0 || this.#idle !== undefined) this.#idleTimer().set(idleMs)
    if (callback === undefined) return this
    return idleMs === 0 ? this.off('timeout', callback) : this.once('timeout', callback)
  }

  /** As of `net.Socket`: what `setTimeout` has set, in ms; 0 for none. */
  get timeout(): number {
    return this.#idle?.idleMs ?? 0
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** What idle times are measured with. Asked for once somebody wants to hear of them. */
  protected abstract idleSurroundings(): IdleSurroundings

  /** Something came or went. */
  protected touch(): void {
    this.#idle?.touch()
  }

  /** It is over: no `timeout` any more. */
  protected stopIdling(): void {
    this.#idle?.stop()
  }

  #idleTimer(): IdleTimer {
    return (this.#idle ??= new IdleTimer(this.idleSurroundings(), () => this.emit('timeout')))
  }
}
