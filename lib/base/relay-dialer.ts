import type { Duplex } from 'node:stream'
import type { Endpoint } from './endpoint.ts'
import type { TransportAddress } from './transport-address.ts'

/**
 * A byte stream to a relay, as if it came from a connection to the relay's TCP port. Its owner destroys it; what it reports
 * while nobody listens is not thrown.
 */
export interface RelayStream {
  readonly stream: Duplex
  /** What it is called: `direct`, `tls`, `websocket`, the same behind `connect-proxy+` or `socks5+`. For people and programs. */
  readonly way: string
  /** Our end, and the relay's, of the connection that leaves this host for the relay itself; undefined through a proxy. */
  readonly local: TransportAddress | undefined
  readonly remote: TransportAddress | undefined
  /** Silence in ms that the way bears for sure: who keeps it open says something that often. Undefined: nothing is known. */
  readonly keepaliveMs: number | undefined
  /** Of TLS around the stream, where there is any: who has signed the certificate that was shown, and its key's SHA-256. */
  readonly outerTls?: OuterTls
  /** For its owner to tell: nothing at all has come over it, so that this way may be the wrong one. */
  wasSilent?(): void
}

/** The certificate that was shown around a stream. Nothing rests on it: what is inside authenticates itself. */
export interface OuterTls {
  readonly issuer: string
  readonly spkiSha256: string
}

/** The stream of a control connection: other streams to the same relay follow it. */
export interface ControlStream extends RelayStream {
  /**
   * A stream for data to the very relay that this one leads to.
   * @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE with `details.ways`
   * @throws the signal's reason
   */
  openLeg(signal: AbortSignal): Promise<RelayStream>
  /** The connection was cut from outside after so many ms in which nothing went over it. */
  wasCut(silenceMs: number): void
}

/** What a stream must be good for. */
export interface StreamTrial<T> {
  /** Rejects when the stream is no use; the dialer destroys it then. */
  open(stream: ControlStream, signal: AbortSignal): Promise<T>
  /** A result that is not needed any more: another stream was faster. */
  discard(result: T): void
}

/** Leads to relays; only it knows how many ways there are. */
export interface RelayDialer {
  /**
   * The result of the first way over which the trial succeeds.
   * @throws {ReachError} the most telling of the trials' errors; `details.ways` has what each way failed with
   * @throws the signal's reason
   */
  dial<T>(relay: Endpoint, trial: StreamTrial<T>, signal: AbortSignal): Promise<T>
  /**
   * Tries the ways that are better than one, the best first. The result of the first over which the trial succeeds; data
   * take that way from then on. Undefined when there is none. Rejects only with the signal's reason.
   * @param than as in {@link RelayStream.way}
   */
  improve<T>(
    relay: Endpoint,
    than: string,
    trial: StreamTrial<T>,
    signal: AbortSignal,
  ): Promise<T | undefined>
}
