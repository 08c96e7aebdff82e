import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { Backoff } from '../membership/backoff.ts'
import type { Rendezvous } from '../protocol/ssh/rendezvous.ts'
import { ChangeWatch } from '../session/change-watch.ts'
import type { SshServer } from '../ssh/ssh-server.ts'

/** What an SSH server that we wait at tells. */
export interface SshRelayEvents {
  onUp(relay: SshRelay): void
  onDown(relay: SshRelay, error: ReachError, retryInMs: number): void
  /** Somebody came. Who it is, TLS will tell. */
  onStream(relay: SshRelay, stream: Duplex): void
}

/** What is needed to wait at an SSH server. */
export interface SshRelaySetup {
  readonly server: SshServer
  readonly runtime: Runtime
  /** Where others look for us. */
  readonly places: () => readonly Rendezvous[]
  readonly events: SshRelayEvents
}

/** Ours: between two attempts, at most; sessions whose only way this is wait for it. */
const MAX_PAUSE_MS = 5000

/** Waits at one SSH server, once it is to: listens again when the connection is gone. Dials over it in any case. */
export class SshRelay {
  readonly #setup: SshRelaySetup
  readonly #stop = new AbortController()
  readonly #watch = new ChangeWatch()
  #running: Promise<void> | undefined
  #isUp = false
  #lastError: ReachError | undefined

  constructor(setup: SshRelaySetup) {
    this.#setup = setup
    setMaxListeners(0, this.#stop.signal)
  }

  get server(): SshServer {
    return this.#setup.server
  }

  /** True while the server hands us whoever comes. */
  get isUp(): boolean {
    return this.#isUp
  }

  /** Waits there from now on. Resolves when it does. @throws {ReachError} why it does not, after an attempt; the signal's reason */
  async register(signal?: AbortSignal): Promise<void> {
    this.#running ??= this.#run()
    for (;;) {
      signal?.throwIfAborted()
      if (this.#isUp) return
      if (this.#lastError !== undefined) throw this.#lastError
      await this.#watch.next(signal)
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(closed())
    await this.server.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { runtime, events } = this.#setup
    const { signal } = this.#stop
    const backoff = new Backoff(runtime)
    while (!signal.aborted) {
      backoff.begin()
      const error = await this.#once()
      this.#isUp = false
      this.#lastError = error
      this.#watch.changed()
      if (this.#isStopped()) return
      const pauseMs = Math.min(MAX_PAUSE_MS, backoff.over())
      events.onDown(this, error, pauseMs)
      await delay(runtime.clock, pauseMs, signal).catch(() => undefined)
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  /** One connection, from its start to its end; answers why it ended. */
  async #once(): Promise<ReachError> {
    const { server, places, events } = this.#setup
    try {
      const onStream = (stream: Duplex) => events.onStream(this, stream)
      const { lost } = await server.listen(places(), onStream, this.#stop.signal)
      this.#isUp = true
      this.#lastError = undefined
      this.#watch.changed()
      events.onUp(this)
      return await Promise.race([lost, stopped(this.#stop.signal)])
    } catch (error) {
      if (ReachError.is(error)) return error
      return new ReachError('ERR_REACH_SSH_UNREACHABLE', `${server.name} failed`, { cause: error })
    }
  }
}

function stopped(signal: AbortSignal): Promise<ReachError> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(closed())
    else signal.addEventListener('abort', () => resolve(closed()), { once: true })
  })
}

function closed(): ReachError {
  return new ReachError('ERR_REACH_ABORTED', 'this peer is closed')
}
