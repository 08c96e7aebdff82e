import { sameAddress } from '../../base/transport-address.ts'
import type { Transport, TransportAddress } from '../../base/transport-address.ts'
import { ATTRIBUTE_NUMBERS } from './attribute-numbers.ts'
import {
  BindingReplyEncoder,
  FINGERPRINT_LENGTH,
  addressAttributeLength,
  unknownAttributesLength,
} from './binding-reply.ts'
import { BindingScan, isBindingRequest } from './binding-scan.ts'
import { HEADER_LENGTH } from './header.ts'
import { SourceRateLimit } from './rate-limit.ts'
import { originTail, replyTail, softwareAttribute, stunEndpoints } from './server-endpoints.ts'
import type { StunEndpoint } from './server-endpoints.ts'
import { stunServerDefaults } from './server-options.ts'
import type { StunServerCounters, StunServerOptions } from './server-options.ts'
import { SourceCache } from './source-cache.ts'
import type { Source } from './source-cache.ts'

export type { StunEndpoint, StunServerAddresses } from './server-endpoints.ts'
export type { StunServerCounters, StunServerOptions } from './server-options.ts'

/** A reply to a datagram; it goes to the IP that the request came from. */
export interface StunUdpReply {
  /** Never written to again. */
  readonly bytes: Uint8Array
  /** The request's own port, or what its RESPONSE-PORT says. */
  readonly toPort: number
  /** Index of the endpoint to send from. */
  readonly endpointIndex: number
}

export interface StunReply {
  readonly bytes: Uint8Array
  readonly to: TransportAddress
  /** The server's own address to send from; over TCP the end of the connection that the request came by. */
  readonly from: TransportAddress
}

/** Why a request gets an error and no answer. */
interface Refusal {
  readonly code: number
  readonly reason: Uint8Array
  /** For UNKNOWN-ATTRIBUTES. */
  readonly unknown: readonly number[]
}

type Counters = { -readonly [Name in keyof StunServerCounters]: number }

const utf8 = new TextEncoder()
const BAD_REQUEST: Refusal = { code: 400, reason: utf8.encode('Bad Request'), unknown: [] }
const UNKNOWN_ATTRIBUTE = { code: 420, reason: utf8.encode('Unknown Attribute') }
/** RFC 5780 §6.1: what a server without the alternate address says to CHANGE-REQUEST. */
const CANNOT_CHANGE: Refusal = { ...UNKNOWN_ATTRIBUTE, unknown: [ATTRIBUTE_NUMBERS['change-request']] }

const NOTHING = new Uint8Array(0)

/**
 * A STUN server for Binding requests without a socket: bytes in, bytes out (RFC 8489 §6.3.1, RFC 5780 §6, and requests
 * of RFC 3489). It keeps no state but its limits, and never throws on what comes from the wire.
 *
 * Answers: XOR-MAPPED-ADDRESS, RESPONSE-ORIGIN, OTHER-ADDRESS with two IPs, OTHER-PORT with one (ours), and, as far as
 * the request was long enough, FINGERPRINT (if it had one), MAPPED-ADDRESS, SOFTWARE, PADDING (if it had one).
 *
 * It is worth nothing to reflect with: over UDP a reply is never longer than its request, except that requests shorter
 * than the first three attributes are answered within a small ration for each source. When that is used up, a request
 * with room for XOR-MAPPED-ADDRESS gets that without the other two, a shorter one nothing.
 *
 * Where it departs from RFC 5780: with one IP and two ports it grants CHANGE-REQUEST's "change port" (§6 says 420 to any
 * CHANGE-REQUEST); CHANGE-REQUEST without flags asks nothing special and is answered as if it were not there, which
 * clients of RFC 3489 expect; PADDING is as long as the request allows and not the MTU; MAPPED-ADDRESS is left out of
 * short replies.
 */
export class StunServer {
  /** One UDP socket belongs to each; {@link StunServer.handleUdp} and its replies name them by index. */
  readonly endpoints: readonly StunEndpoint[]
  /** Constant ends of replies: by endpoint asked, then by endpoint that answers. */
  readonly #tails: readonly (readonly { readonly modern: Uint8Array; readonly legacy: Uint8Array }[])[]
  readonly #software: Uint8Array
  readonly #rateLimit: SourceRateLimit
  readonly #ration: SourceRateLimit
  readonly #sources = new SourceCache()
  /** The request at hand. */
  readonly #scan = new BindingScan()
  readonly #encoder = new BindingReplyEncoder()
  readonly #counters: Readonly<Record<Transport, Counters>> = { udp: newCounters(), tcp: newCounters() }

  /** @throws {RangeError} for addresses or limits that make no sense */
  constructor(options: StunServerOptions) {
    const endpoints = stunEndpoints(options.addresses)
    this.endpoints = endpoints
    this.#tails = endpoints.map((asked) =>
      endpoints.map((origin) => ({
        modern: replyTail(endpoints, asked, origin, false),
        legacy: replyTail(endpoints, asked, origin, true),
      })),
    )
    this.#software = options.software === undefined ? NOTHING : softwareAttribute(options.software)
    this.#rateLimit = new SourceRateLimit(options.rateLimit ?? stunServerDefaults.rateLimit)
    this.#ration = new SourceRateLimit(options.ration ?? stunServerDefaults.ration)
  }

  /** What has happened so far. */
  counters(transport: Transport): StunServerCounters {
    return { ...this.#counters[transport] }
  }

  /**
   * Answers a datagram; undefined when it gets no answer. The fast way in: no address objects.
   * @param fromIp as the socket gives it: IPv4, IPv6 with or without zone, or IPv4-mapped
   * @param endpointIndex where it arrived: index in {@link StunServer.endpoints}
   */
  handleUdp(
    bytes: Uint8Array,
    fromIp: string,
    fromPort: number,
    endpointIndex: number,
    nowMs: number,
  ): StunUdpReply | undefined {
    const asked = this.endpoints[endpointIndex]
    if (asked === undefined) throw new RangeError(`there is no endpoint ${endpointIndex}`)
    const source = this.#admit(bytes, fromIp, 'udp', nowMs)
    if (source === undefined) return undefined
    const verdict = this.#judge(asked)
    if (typeof verdict !== 'number') {
      const error = this.#refuse(bytes, source, verdict, 'udp', nowMs)
      return error === undefined ? undefined : { bytes: error, toPort: fromPort, endpointIndex }
    }
    const { responsePort, isLegacy } = this.#scan
    const tails = this.#tails[endpointIndex]?.[verdict]
    const tail = (isLegacy ? tails?.legacy : tails?.modern) ?? NOTHING
    const reply = this.#answer(bytes, source, fromPort, tail, 'udp', nowMs)
    if (reply === undefined) return undefined
    return { bytes: reply, toPort: responsePort < 0 ? fromPort : responsePort, endpointIndex: verdict }
  }

  /**
   * Answers one message that came by a TCP or TLS connection, cut out by {@link StunStreamParser}; undefined when it gets
   * no answer. The client's address is proven there, so the reply may be longer than the request. A server can't answer
   * from another address there (RFC 5780 §3): CHANGE-REQUEST gets 420, RESPONSE-PORT 400.
   * @param local the server's end of the connection, which need not be one of the endpoints
   */
  handleTcp(
    bytes: Uint8Array,
    from: TransportAddress,
    local: TransportAddress,
    nowMs: number,
  ): Uint8Array | undefined {
    const source = this.#admit(bytes, from.ip, 'tcp', nowMs)
    if (source === undefined) return undefined
    const refusal = this.#judgeTcp()
    if (refusal !== undefined) return this.#refuse(bytes, source, refusal, 'tcp', nowMs)
    const tail = this.#scan.isLegacy ? NOTHING : originTail(this.endpoints, local)
    return this.#answer(bytes, source, from.port, tail, 'tcp', nowMs)
  }

  /** {@link handleUdp} or {@link handleTcp}, by `from.transport`, for callers that have whole addresses. */
  handle(
    bytes: Uint8Array,
    from: TransportAddress,
    local: TransportAddress,
    nowMs: number,
  ): StunReply | undefined {
    if (from.transport === 'tcp') {
      const reply = this.handleTcp(bytes, from, local, nowMs)
      return reply === undefined ? undefined : { bytes: reply, to: from, from: local }
    }
    const endpoint = this.endpoints.find((candidate) => sameAddress(candidate.local, local))
    if (endpoint === undefined)
      throw new RangeError(`${local.ip} port ${local.port} is no endpoint of this server`)
    const reply = this.handleUdp(bytes, from.ip, from.port, endpoint.index, nowMs)
    const origin = reply === undefined ? undefined : this.endpoints[reply.endpointIndex]
    if (reply === undefined || origin === undefined) return undefined
    return { bytes: reply.bytes, to: { ...from, port: reply.toPort }, from: origin.local }
  }

  /** Lets a Binding request within its source's rate through, with `#scan` filled. */
  #admit(bytes: Uint8Array, fromIp: string, transport: Transport, nowMs: number): Source | undefined {
    const counters = this.#counters[transport]
    if (!isBindingRequest(bytes)) {
      counters.ignored++
      return undefined
    }
    const source = this.#sources.get(fromIp)
    if (!this.#rateLimit.take(source.limitKey, nowMs)) {
      counters.rateLimited++
      return undefined
    }
    if (!this.#scan.read(bytes)) {
      counters.ignored++
      return undefined
    }
    counters.requests++
    return source
  }

  /** The index of the endpoint to answer from, or why the request is refused (RFC 8489 §6.3.1, RFC 5780 §6.1). */
  #judge(asked: StunEndpoint): number | Refusal {
    const { unknown, change, responsePort, hasPadding } = this.#scan
    if (unknown.length > 0) return { ...UNKNOWN_ATTRIBUTE, unknown }
    const origin = asked.answersFrom[Math.max(change, 0)]
    if (origin === undefined) return CANNOT_CHANGE
    // RFC 5780 §7.5: never both. Nobody listens on port 0.
    if (responsePort === 0 || (responsePort > 0 && hasPadding)) return BAD_REQUEST
    return origin
  }

  #judgeTcp(): Refusal | undefined {
    const { unknown, change, responsePort } = this.#scan
    if (unknown.length > 0) return { ...UNKNOWN_ATTRIBUTE, unknown }
    if (change > 0) return CANNOT_CHANGE
    return responsePort >= 0 ? BAD_REQUEST : undefined
  }

  #answer(
    request: Uint8Array,
    source: Source,
    port: number,
    tail: Uint8Array,
    transport: Transport,
    nowMs: number,
  ): Uint8Array | undefined {
    const { isLegacy, hasFingerprint, hasPadding } = this.#scan
    const addressLength = addressAttributeLength(source.ip)
    let length = HEADER_LENGTH + addressLength + tail.length
    const isPaid = this.#isPaid(request, source, length, transport, nowMs)
    if (!isPaid) length = HEADER_LENGTH + addressLength
    if (!isPaid && length > request.length) return undefined
    const limit = transport === 'tcp' ? Infinity : Math.max(request.length, length)
    const take = (wanted: boolean, extra: number) => {
      const fits = wanted && length + extra <= limit
      if (fits) length += extra
      return fits
    }
    const withFingerprint = take(hasFingerprint, FINGERPRINT_LENGTH)
    const withMapped = take(!isLegacy, addressLength)
    const software = take(!isLegacy, this.#software.length) ? this.#software : NOTHING
    const paddingLength = hasPadding && !isLegacy ? Math.max(0, request.length - length) : 0
    this.#counters[transport].replies++
    return this.#encoder.success(request, {
      length: length + paddingLength,
      isLegacy,
      ip: source.ip,
      port,
      tail: isPaid ? tail : NOTHING,
      withMapped,
      software,
      paddingLength,
      withFingerprint,
    })
  }

  #refuse(
    request: Uint8Array,
    source: Source,
    refusal: Refusal,
    transport: Transport,
    nowMs: number,
  ): Uint8Array | undefined {
    const { isLegacy, hasFingerprint } = this.#scan
    if (isLegacy && refusal === CANNOT_CHANGE) {
      // Clients of RFC 3489 take any answer, errors too, for one from the changed address, and so for an open filter.
      this.#counters[transport].ignored++
      return undefined
    }
    const unknown = isLegacy ? evenly(refusal.unknown) : refusal.unknown
    const bare = HEADER_LENGTH + 8 + unknownAttributesLength(unknown)
    if (!this.#isPaid(request, source, bare, transport, nowMs)) return undefined
    const limit = transport === 'tcp' ? Infinity : request.length
    const reasonLength = (refusal.reason.length + 3) & ~3
    // RFC 3489 wants phrases in multiples of 4, so its clients get none.
    const withReason = !isLegacy && bare + reasonLength <= limit
    const length = withReason ? bare + reasonLength : bare
    const withFingerprint = hasFingerprint && length + FINGERPRINT_LENGTH <= limit
    this.#counters[transport].errors++
    return this.#encoder.error(request, {
      length: withFingerprint ? length + FINGERPRINT_LENGTH : length,
      code: refusal.code,
      reason: withReason ? refusal.reason : NOTHING,
      unknown,
      withFingerprint,
    })
  }

  /** True when a reply of this length may go out: its request was as long, or its source has ration left. */
  #isPaid(request: Uint8Array, source: Source, length: number, transport: Transport, nowMs: number): boolean {
    if (transport === 'tcp' || length <= request.length) return true
    if (this.#ration.take(source.limitKey, nowMs)) return true
    this.#counters[transport].rationLimited++
    return false
  }
}

/** RFC 3489 §11.2.10: attributes are multiples of 4 bytes, so an odd list repeats a number. */
function evenly(numbers: readonly number[]): readonly number[] {
  return numbers.length % 2 === 0 ? numbers : [...numbers, ...numbers.slice(0, 1)]
}

function newCounters(): Counters {
  return { requests: 0, replies: 0, errors: 0, ignored: 0, rateLimited: 0, rationLimited: 0 }
}
