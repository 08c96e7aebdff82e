import { ReachError } from '../../base/errors.ts'
import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { SourceRateLimit } from '../stun/rate-limit.ts'
import type { DnsMessage } from './dns-message.ts'
import { decodeDns, encodeDns } from './dns-message.ts'
import type { LanService } from './lan-service.ts'
import { MDNS_PORT, SERVICE_TYPE, isSameName } from './lan-service.ts'
import type { MdnsLink } from './mdns-link.ts'
import { isNeighbour } from './mdns-link.ts'
import type { JitterRange, LinkPacket } from './responder.ts'
import { Responder } from './responder.ts'
import type { HeardService } from './service-cache.ts'
import { ServiceCache } from './service-cache.ts'

/** What an {@link MdnsMachine} is told. */
export type MdnsInput =
  /** The links that there are now. One with a new number is told of the service. */
  | { readonly kind: 'links'; readonly links: readonly MdnsLink[] }
  | { readonly kind: 'received'; readonly bytes: Uint8Array; readonly from: TransportAddress }
  /** Somebody wants to know who is there. */
  | { readonly kind: 'look' }
  /** Take back what was said, on all links; nothing is sent after that. */
  | { readonly kind: 'close' }

/** What an {@link MdnsMachine} wants done, or tells. */
export type MdnsEffect =
  | ({ readonly kind: 'send'; readonly link: number } & LinkPacket)
  /** `services` answers something else than before. */
  | { readonly kind: 'changed' }

/** What an {@link MdnsMachine} is made of. */
export interface MdnsOptions {
  /** Undefined: it only looks. */
  readonly service: LanService | undefined
  /** Random bytes that nobody can guess. */
  readonly randomBytes: (length: number) => Uint8Array
}

/** RFC 6762 §5.2: the first question after some chance, then again after a second, and after pauses that double. */
const LOOK_DELAY_MS = { from: 20, to: 120 } as const
const LOOK_PAUSES_MS = [1000, 2000] as const
/** RFC 6762 §5.2: the same question at most once in a second. */
const ASK_INTERVAL_MS = 1000
/** Ours: names in one question; of the others, answers come once more. */
const MAX_KNOWN = 20
/** Ours: a busy LAN has some packets in a second; each costs some tens of microseconds to read. */
const PACKET_RATE = { ratePerS: 50, burst: 200, maxSources: 256 } as const

interface LinkState {
  readonly link: MdnsLink
  readonly responder: Responder | undefined
  askAtMs: number | undefined
  /** Between the questions after that. */
  pausesMs: readonly number[]
  lastAskedMs: number
}

/**
 * Multicast DNS and service discovery (RFC 6762, RFC 6763) for one service on any number of links. Names are random, so
 * nothing is probed for before it is announced, and no conflict is resolved: nobody else will have them. It asks only
 * when somebody wants to know, and hears what others ask and answer in between.
 */
export class MdnsMachine implements Machine<MdnsInput, MdnsEffect> {
  readonly #options: MdnsOptions
  readonly #cache = new ServiceCache()
  readonly #rate = new SourceRateLimit(PACKET_RATE)
  readonly #effects: MdnsEffect[] = []
  #links = new Map<number, LinkState>()
  #isClosed = false

  constructor(options: MdnsOptions) {
    this.#options = options
  }

  /** Other peers of whatever networks that were heard. */
  services(nowMs: number): readonly HeardService[] {
    return this.#cache.services(nowMs)
  }

  get deadlineMs(): number | undefined {
    if (this.#isClosed) return undefined
    const times = [...this.#links.values()].flatMap(({ responder, askAtMs }) => [
      responder?.deadlineMs ?? Infinity,
      askAtMs ?? Infinity,
    ])
    const next = Math.min(...times, this.#cache.nextExpiryMs ?? Infinity)
    return next === Infinity ? undefined : next
  }

  handle(input: MdnsInput, nowMs: number): void {
    if (this.#isClosed) return
    switch (input.kind) {
      case 'links':
        this.#setLinks(input.links, nowMs)
        break
      case 'received':
        this.#received(input.bytes, input.from, nowMs)
        break
      case 'look':
        for (const state of this.#links.values()) this.#look(state, nowMs)
        break
      case 'close':
        this.#close()
        return
      default:
        unreachable(input)
    }
    this.handleTimeout(nowMs)
  }

  handleTimeout(nowMs: number): void {
    if (this.#isClosed) return
    for (const state of this.#links.values()) {
      state.responder?.handleTimeout(nowMs)
      this.#collect(state)
      this.#askIfDue(state, nowMs)
    }
    if (this.#cache.expire(nowMs)) this.#effects.push({ kind: 'changed' })
  }

  poll(): MdnsEffect | undefined {
    return this.#effects.shift()
  }

  #setLinks(links: readonly MdnsLink[], nowMs: number): void {
    const before = this.#links
    this.#links = new Map(
      links.map((link) => [link.number, before.get(link.number) ?? this.#begin(link, nowMs)]),
    )
    this.#cache.keepLinks(new Set(this.#links.keys()))
  }

  #begin(link: MdnsLink, nowMs: number): LinkState {
    const { service } = this.#options
    const jitter = (range: JitterRange) => this.#jitter(range)
    const responder = service === undefined ? undefined : new Responder(service, link.ips, jitter, nowMs)
    return { link, responder, askAtMs: undefined, pausesMs: [], lastAskedMs: -Infinity }
  }

  #received(bytes: Uint8Array, from: TransportAddress, nowMs: number): void {
    const state = [...this.#links.values()].find(({ link }) => isNeighbour(link, from.ip))
    if (state === undefined || !this.#rate.take(from.ip, nowMs)) return
    const message = tryDecode(bytes)
    if (message === undefined) return
    if (!message.isResponse) {
      state.responder?.query(message, from, nowMs)
      this.#collect(state)
      return
    }
    // RFC 6762 §6: what comes from another port is no answer.
    if (from.port !== MDNS_PORT) return
    if (this.#cache.take(this.#withoutOwn(message), state.link, from.ip, nowMs))
      this.#effects.push({ kind: 'changed' })
  }

  /** Our own packets come back, and nobody else has anything to say about us. */
  #withoutOwn(message: DnsMessage): DnsMessage {
    const { service } = this.#options
    if (service === undefined) return message
    const own = `${service.instance}.${SERVICE_TYPE}`
    const isOther = (record: DnsMessage['answers'][number]) =>
      !isSameName(record.name, own) && !(record.type === 'PTR' && isSameName(record.target, own))
    return {
      ...message,
      answers: message.answers.filter(isOther),
      additionals: message.additionals.filter(isOther),
    }
  }

  #look(state: LinkState, nowMs: number): void {
    if (state.askAtMs !== undefined) return // under way
    state.askAtMs = Math.max(nowMs + this.#jitter(LOOK_DELAY_MS), state.lastAskedMs + ASK_INTERVAL_MS)
    state.pausesMs = LOOK_PAUSES_MS
  }

  #askIfDue(state: LinkState, nowMs: number): void {
    if (state.askAtMs === undefined || nowMs < state.askAtMs) return
    const [pauseMs, ...pausesMs] = state.pausesMs
    state.askAtMs = pauseMs === undefined ? undefined : nowMs + pauseMs
    state.pausesMs = pausesMs
    state.lastAskedMs = nowMs
    const known = this.#cache.knownOn(state.link.number, nowMs).slice(0, MAX_KNOWN)
    const bytes = encodeDns({
      ...{ id: 0, isResponse: false, isTruncated: false, additionals: [] },
      questions: [{ name: SERVICE_TYPE, type: 'PTR', isUnicast: false }],
      answers: known.map(({ instance, ttlS }) => ({
        ...{ type: 'PTR', name: SERVICE_TYPE, target: `${instance}.${SERVICE_TYPE}` },
        ...{ ttlS, isOnly: false },
      })),
    })
    this.#effects.push({ kind: 'send', link: state.link.number, bytes })
  }

  #close(): void {
    this.#isClosed = true
    for (const { link, responder } of this.#links.values())
      if (responder !== undefined)
        this.#effects.push({ kind: 'send', link: link.number, ...responder.goodbye() })
  }

  #collect({ link, responder }: LinkState): void {
    for (let packet = responder?.poll(); packet !== undefined; packet = responder?.poll())
      this.#effects.push({ kind: 'send', link: link.number, ...packet })
  }

  #jitter({ from, to }: JitterRange): number {
    const [high = 0, low = 0] = this.#options.randomBytes(2)
    return from + ((high * 256 + low) / 65_535) * (to - from)
  }
}

function tryDecode(bytes: Uint8Array): DnsMessage | undefined {
  try {
    return decodeDns(bytes)
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined // anybody on the LAN can send garbage
    throw error
  }
}
