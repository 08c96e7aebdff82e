import { deadlineSignal } from '../base/deadline.ts'
import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { ControlStream, RelayDialer, RelayStream, StreamTrial } from '../base/relay-dialer.ts'
import type { ResolveOutcome, Runtime } from '../base/runtime.ts'
import { isIp } from '../base/transport-address.ts'
import { unreachableRelay } from '../net/direct-dialer.ts'
import type { ProxyEnvironment } from '../net/outward/proxy-environment.ts'
import { proxiesFor } from '../net/outward/proxy-environment.ts'
import type { Attempt } from './climb.ts'
import { climb } from './climb.ts'
import { CutLesson } from './cut-lesson.ts'
import { legsPass } from './leg-trial.ts'
import type { Rung } from './way-rung.ts'
import { openRung, rungsOf, wayName } from './way-rung.ts'
import { waysError } from './ways-error.ts'
import { WaysMemory, networkKey } from './ways-memory.ts'

/** How ways to relays are looked for. */
export interface RelayWaysOptions {
  readonly runtime: Runtime
  /** Environment variables: HTTPS_PROXY, ALL_PROXY, HTTP_PROXY, NO_PROXY in either case. Default: no proxy. */
  readonly env?: ProxyEnvironment
  /** Where it is kept what led to relays, for the next process. Default: nowhere. */
  readonly home?: string
}

/** Ours: a resolver that takes longer than this, where the address is known from before, is not waited for. */
const RESOLVER_PATIENCE_MS = 1000

/** Ours: for each better way, when nobody waits for it. */
const IMPROVE_TIMEOUT_MS = 10_000

/** Everything that is known of where a stream leads. */
interface Place {
  readonly relay: Endpoint
  readonly name: string
  readonly network: string
}

/**
 * Dials relays over whatever way comes through: by TCP, in a WebSocket inside TLS, and both through the proxies that the
 * environment names. What worked is tried first the next time in the same network. Data take the way of their control
 * connection, and are put in TLS where the network swallows them otherwise.
 */
export class RelayWays implements RelayDialer {
  readonly #runtime: Runtime
  readonly #env: ProxyEnvironment
  readonly #memory: WaysMemory
  readonly #lessons = new Map<string, CutLesson>()
  readonly #trials = new Map<string, Promise<'plain' | 'tls'>>()

  constructor({ runtime, env = {}, home }: RelayWaysOptions) {
    this.#runtime = runtime
    this.#env = env
    this.#memory = new WaysMemory(runtime, home)
  }

  /** The home folder is left as it is from then on. Never rejects. */
  close(): Promise<void> {
    return this.#memory.close()
  }

  async dial<T>(relay: Endpoint, trial: StreamTrial<T>, signal: AbortSignal): Promise<T> {
    const place = await this.#placeOf(relay)
    const rungs = this.#rungs(relay)
    const known = this.#memory.way(place.network, place.name)?.way
    const first = rungs.filter(({ way }) => way === known)
    const outcome = await climb({
      clock: this.#runtime.clock,
      rungs: [...first, ...rungs.filter((rung) => !first.includes(rung))],
      attempt: (rung, attempt) => this.#tryRung(place, rung, trial, attempt),
      discard: ({ value }) => trial.discard(value),
      signal,
    })
    if (outcome.kind === 'failed') {
      const { failures } = outcome
      const isLate = ReachError.is(signal.reason, 'ERR_REACH_TIMEOUT')
      if (signal.aborted && !isLate) throw signal.reason
      throw waysError(
        relay,
        rungs.flatMap((rung) => failures.filter((one) => one.rung === rung)),
      )
    }
    this.#took(place, outcome.rung, outcome.value.stream)
    return outcome.value.value
  }

  async improve<T>(
    relay: Endpoint,
    than: string,
    trial: StreamTrial<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const place = await this.#placeOf(relay)
    const rungs = this.#rungs(relay)
    const current = rungs.findIndex(({ way }) => way === than)
    for (const rung of rungs.slice(0, Math.max(0, current))) {
      using deadline = deadlineSignal(this.#runtime.clock, IMPROVE_TIMEOUT_MS, signal)
      try {
        const attempt = { signal: deadline.signal, onConnected: () => undefined }
        const { value, stream } = await this.#tryRung(place, rung, trial, attempt)
        this.#took(place, rung, stream)
        return value
      } catch {
        signal.throwIfAborted() // it fails as before
      }
    }
    await this.#retryLegs(place, rungs[current])
    return undefined
  }

  async #placeOf(relay: Endpoint): Promise<Place> {
    await this.#memory.load()
    return { relay, name: formatEndpoint(relay), network: await networkKey(this.#runtime) }
  }

  #rungs(relay: Endpoint): readonly Rung[] {
    return rungsOf(proxiesFor(this.#env, relay))
  }

  async #tryRung<T>(place: Place, rung: Rung, trial: StreamTrial<T>, { signal, onConnected }: Attempt) {
    const stream = await openRung(rung, {
      ...{ runtime: this.#runtime, relay: place.relay, signal, onConnected },
      addresses: (ended) => this.#addresses(place, ended),
    })
    try {
      return { value: await trial.open(this.#controlStream(place, rung, stream), signal), stream }
    } catch (error) {
      stream.stream.destroy()
      throw error
    }
  }

  #took(place: Place, rung: Rung, { remote }: RelayStream): void {
    const { name, network, relay } = place
    this.#memory.note(network, name, { way: rung.way })
    if (remote === undefined) return
    if (!isIp(relay.host)) this.#memory.noteAddress(name, remote.ip)
    // By the time that somebody wants a leg, it is known.
    if (rung.carrier === 'plain') this.#legCarrier(place, rung, remote.ip).catch(() => undefined)
  }

  #controlStream(place: Place, rung: Rung, stream: RelayStream): ControlStream {
    const { network, name } = place
    return {
      ...stream,
      keepaliveMs: this.#keepaliveMs(place),
      openLeg: (signal) => this.#openLeg(place, rung, stream.remote?.ip, signal),
      wasCut: (silenceMs) => {
        const key = `${network} ${name}`
        const lesson = this.#lessons.get(key) ?? new CutLesson()
        this.#lessons.set(key, lesson)
        const keepaliveMs = lesson.wasCut(silenceMs)
        const known = this.#memory.way(network, name)
        if (keepaliveMs !== undefined && known !== undefined)
          this.#memory.note(network, name, { way: known.way, keepaliveMs })
      },
    }
  }

  #keepaliveMs({ network, name }: Place): number | undefined {
    return this.#memory.way(network, name)?.keepaliveMs
  }

  /** @param ip of the very relay that its control connection leads to, where it is known */
  async #openLeg(place: Place, own: Rung, ip: string | undefined, signal: AbortSignal): Promise<RelayStream> {
    const rung = this.#bestFor(place, own)
    const carrier = rung.carrier === 'plain' ? await this.#legCarrier(place, rung, ip, signal) : rung.carrier
    const leg = await this.#openAs(place, rung, carrier, ip, signal)
    return {
      ...leg,
      keepaliveMs: this.#keepaliveMs(place),
      wasSilent: () => this.#memory.forgetLegs(place.network, place.name),
    }
  }

  /** A better way may have been found since the control connection was made. */
  #bestFor({ network, name, relay }: Place, own: Rung): Rung {
    const rungs = this.#rungs(relay)
    const best = rungs.find(({ way }) => way === this.#memory.way(network, name)?.way)
    const rank = (rung: Rung) => rungs.findIndex(({ way }) => way === rung.way)
    return best !== undefined && rank(best) < rank(own) ? best : own
  }

  #openAs(
    place: Place,
    rung: Rung,
    carrier: Rung['carrier'],
    ip: string | undefined,
    signal: AbortSignal,
  ): Promise<RelayStream> {
    const as = { ...rung, carrier, way: wayName(carrier, rung.proxy) }
    return openRung(as, {
      ...{ runtime: this.#runtime, relay: place.relay, signal },
      addresses: (ended) => (ip === undefined ? this.#addresses(place, ended) : Promise.resolve([ip])),
    })
  }

  /** Whether legs pass as they are; found out once for a network, by everybody who asks at the same time. */
  #legCarrier(place: Place, rung: Rung, ip: string | undefined, signal?: AbortSignal) {
    const { network, name } = place
    const known = this.#memory.way(network, name)
    if (known?.way === rung.way && known.legs !== undefined) return Promise.resolve(known.legs)
    const key = `${network} ${name} ${rung.way}`
    const running = this.#trials.get(key)
    const trial = running ?? this.#tryLegs(place, rung, ip).finally(() => this.#trials.delete(key))
    if (running === undefined) this.#trials.set(key, trial)
    return signal === undefined ? trial : settledUnless(trial, signal)
  }

  async #tryLegs(place: Place, rung: Rung, ip: string | undefined): Promise<'plain' | 'tls'> {
    const { clock } = this.#runtime
    const passes = (carrier: 'plain' | 'tls') =>
      legsPass(clock, (ended) => this.#openAs(place, rung, carrier, ip, ended))
    // Where neither passes there is nothing to be learnt: the relay is away, say.
    const isPlain = await passes('plain')
    if (!isPlain && !(await passes('tls'))) return 'plain'
    const legs = isPlain ? 'plain' : 'tls'
    this.#memory.note(place.network, place.name, { way: rung.way, legs })
    return legs
  }

  /** Legs that were put in TLS may pass as they are by now. */
  async #retryLegs(place: Place, rung: Rung | undefined): Promise<void> {
    const known = this.#memory.way(place.network, place.name)
    if (rung?.carrier !== 'plain' || known?.way !== rung.way || known.legs !== 'tls') return
    await this.#tryLegs(place, rung, undefined)
  }

  /** Resolved anew each time, as relays move; those that worked before stand in for a resolver that fails. */
  async #addresses({ relay, name }: Place, signal: AbortSignal): Promise<readonly string[]> {
    const { resolver } = this.#runtime
    const known = this.#memory.addresses(name)
    const looked = resolver.lookup(relay.host, signal)
    const found = known.length === 0 ? await looked : await this.#soon(looked, signal)
    if (found?.kind === 'found') return found.ips
    if (known.length > 0) return known
    throw unreachableRelay(relay, `its name can’t be resolved (${found?.code ?? 'ETIMEDOUT'})`)
  }

  /** What the resolver says, or undefined when it takes its time. */
  async #soon(looked: Promise<ResolveOutcome>, signal: AbortSignal): Promise<ResolveOutcome | undefined> {
    using patience = deadlineSignal(this.#runtime.clock, RESOLVER_PATIENCE_MS, signal)
    return await settledUnless(looked, patience.signal).catch(() => {
      signal.throwIfAborted()
      return undefined
    })
  }
}

/** Settles like the work, but not later than the signal fires: the work goes on for others. */
function settledUnless<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
