import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { deadlineSignal } from '../../base/deadline.ts'
import type { Deadline } from '../../base/deadline.ts'
import { ReachError } from '../../base/errors.ts'
import type { Clock } from '../../base/runtime.ts'
import { Certificate } from '../certificate/certificate.ts'
import { CertificateCache } from '../certificate/certificate-cache.ts'
import { MAX_CHAIN_CERTIFICATES } from '../certificate/verify-chain.ts'
import { decideTrust } from '../trust/decide-trust.ts'
import type { PeerIdentity, TrustPolicy } from '../trust/trust-policy.ts'
import type { TrustStore } from '../trust/trust-store.ts'
import type { KeyExporter } from './key-exporter.ts'
import { keyExporterOf } from './key-exporter.ts'
import { tlsFailure } from './tls-failure.ts'
import { decodeVerdict, encodeAccepted, encodeRefused } from './verdict.ts'

/** A connection on which both sides have proven their keys and accepted each other. */
export interface SecureChannel {
  /** What is written to it is read on the other side, encrypted in between. */
  readonly stream: Duplex
  /** Who the other side is. */
  readonly peer: PeerIdentity
  /** Keys for what travels beside the stream. */
  readonly exporter: KeyExporter
}

/** What both sides of a handshake need. */
export interface SecureChannelOptions {
  readonly clock: Clock
  /** Asked once in each handshake, when the other side's certificate is there. */
  readonly policy: () => TrustPolicy
  /** When given, the channel ends with ERR_REACH_TRUST_REVOKED as soon as its peer is denied. */
  readonly trust?: TrustStore
  /** From the first byte to both verdicts. Default {@link HANDSHAKE_TIMEOUT_MS}. */
  readonly handshakeTimeoutMs?: number
  readonly signal?: AbortSignal
}

/** RFC 7301: what runs inside TLS between two peers. */
export const PEER_ALPN = 'p2p-reach/1'
/** Ours: a round trip of a second, several times over. */
export const HANDSHAKE_TIMEOUT_MS = 10_000
const authorities = new CertificateCache()

/** Ours: how long a side that refuses waits for its words to arrive. */
const FAREWELL_MS = 2000

/**
 * A channel whose other side has proven its key and was accepted, and has not said yet whether it accepts us. What is
 * written goes with our own verdict, a round trip earlier; nothing may be read before `accepted`.
 */
export interface EarlyChannel extends SecureChannel {
  /** Resolves with the other side's acceptance; rejects with its refusal, when the stream is destroyed. */
  readonly accepted: Promise<void>
}

/**
 * From a TLS handshake that is under way to a channel: reads the other side's certificate once, decides, exchanges
 * verdicts. Fails closed: whatever goes wrong, the transport is destroyed.
 * @param handshake resolves when the TLS handshake is over
 */
export async function authenticate(
  transport: Duplex,
  handshake: Promise<TLSSocket>,
  options: SecureChannelOptions,
): Promise<SecureChannel> {
  const { accepted, ...channel } = await authenticateEarly(transport, handshake, options)
  await accepted
  return channel
}

/** The same up to our own verdict: see {@link EarlyChannel}. */
export async function authenticateEarly(
  transport: Duplex,
  handshake: Promise<TLSSocket>,
  options: SecureChannelOptions,
): Promise<EarlyChannel> {
  const { clock } = options
  const deadline = deadlineSignal(clock, options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS, options.signal)
  const aborted = rejectionOf(deadline.signal)
  transport.on('error', ignore) // it may fail while nobody else listens
  let socket: TLSSocket | undefined
  let isAccepted = false // said so already: another verdict would be taken for data
  try {
    socket = await Promise.race([handshake, aborted])
    socket.on('error', ignore)
    socket.allowHalfOpen = true // each direction ends by itself, whatever the transport
    const peer = decide(socket, options)
    isAccepted = true
    socket.write(encodeAccepted())
    const accepted = awaitVerdict(socket, transport, peer, { aborted, deadline, trust: options.trust })
    accepted.catch(ignore) // whoever reads waits for it
    return { stream: socket, peer, exporter: keyExporterOf(socket), accepted }
  } catch (error) {
    deadline[Symbol.dispose]()
    if (socket !== undefined && !isAccepted && isOwnRefusal(error)) farewell(socket, error, clock)
    else destroyAll(socket, transport)
    throw deadline.signal.aborted ? deadline.signal.reason : tlsFailure(error)
  }
}

async function awaitVerdict(
  socket: TLSSocket,
  transport: Duplex,
  peer: PeerIdentity,
  {
    aborted,
    deadline,
    trust,
  }: {
    readonly aborted: Promise<never>
    readonly deadline: Deadline
    readonly trust: TrustStore | undefined
  },
): Promise<void> {
  try {
    await Promise.race([readVerdict(socket), aborted])
    if (trust?.stillTrusts(peer) === false) throw revoked(peer)
    if (trust !== undefined) endWhenDenied(socket, peer, trust)
  } catch (error) {
    destroyAll(socket, transport)
    throw deadline.signal.aborted ? deadline.signal.reason : tlsFailure(error)
  } finally {
    deadline[Symbol.dispose]()
  }
}

/** Rejects with the signal's reason; by itself it troubles nobody. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  const rejection = new Promise<never>((_resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  rejection.catch(ignore)
  return rejection
}

function destroyAll(socket: TLSSocket | undefined, transport: Duplex): void {
  socket?.destroy()
  transport.destroy()
}

function decide(socket: TLSSocket, { policy, clock }: SecureChannelOptions): PeerIdentity {
  const decision = decideTrust(presentedChain(socket), policy(), clock.wallMs())
  if (decision.kind === 'trusted') return decision.identity
  throw new ReachError(decision.code, `the other side is not trusted: ${decision.message}`, {
    details: { by: 'us', why: decision.message },
  })
}

/**
 * The chain that the other side showed, leaf first. Read once and kept: on a client, Node gives the certificate away
 * with the first question (nodejs/node#65579). No certificate, or one that can't be read, is an empty chain.
 */
export function presentedChain(socket: TLSSocket): readonly Certificate[] {
  const chain: Certificate[] = []
  let next = socket.getPeerX509Certificate()
  try {
    while (next !== undefined && chain.length <= MAX_CHAIN_CERTIFICATES) {
      // The first is the peer's own; those above it are shared by many.
      chain.push(chain.length === 0 ? Certificate.decode(next.raw) : authorities.decode(next.raw))
      const issuer = next.issuerCertificate
      next = issuer === undefined || issuer.raw.equals(next.raw) ? undefined : issuer
    }
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
    throw new ReachError('ERR_REACH_TRUST_CHAIN', 'the certificate of the other side can’t be read', {
      cause: error,
      details: { by: 'us' },
    })
  }
  return chain
}

/** Waits for the other side's verdict and takes it off the stream; what follows it stays. */
function readVerdict(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen: Uint8Array = new Uint8Array()
    const settle = (then: () => void) => {
      socket.off('readable', onReadable).off('error', onError).off('end', onClose).off('close', onClose)
      then()
    }
    const onError = (error: Error) => settle(() => reject(error))
    const onClose = () => settle(() => reject(new ReachError('ERR_REACH_TLS', CLOSED)))
    const onReadable = () => {
      const chunk: unknown = socket.read()
      if (!(chunk instanceof Uint8Array)) return
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      try {
        const decoded = decodeVerdict(seen)
        if (decoded === undefined) return
        const { verdict, length } = decoded
        settle(() => {
          if (length < seen.length) socket.unshift(seen.subarray(length))
          if (verdict.kind === 'accepted') resolve()
          else reject(verdict.error)
        })
      } catch (error) {
        settle(() => reject(error))
      }
    }
    socket.on('readable', onReadable).on('error', onError).on('end', onClose).on('close', onClose)
    if (socket.destroyed || socket.readableEnded) onClose()
    else onReadable()
  })
}

const CLOSED = 'the other side closed the connection before it said whether it accepts us'

/** Says why, then closes; a side that does not read is cut off. */
function farewell(socket: TLSSocket, error: ReachError, clock: Clock): void {
  if (socket.destroyed) return // it will not tell its end again
  const timer = clock.setTimer(FAREWELL_MS, () => socket.destroy())
  socket.once('close', () => timer.cancel())
  socket.resume() // what the other side still sends is of no interest, but its end is
  socket.once('end', () => socket.destroy())
  const { why } = error.details
  socket.end(encodeRefused(error.code, typeof why === 'string' ? why : error.message))
}

function isOwnRefusal(error: unknown): error is ReachError {
  return ReachError.is(error) && error.details['by'] === 'us'
}

function endWhenDenied(socket: TLSSocket, peer: PeerIdentity, trust: TrustStore): void {
  const check = () => {
    if (!trust.stillTrusts(peer)) socket.destroy(revoked(peer))
  }
  socket.once('close', trust.watch(check))
}

function revoked({ name, peerId, keys }: PeerIdentity): ReachError {
  const what = `the key of ${name ?? peerId}${keys.length > 1 ? ', or of a CA above it,' : ''} was revoked`
  return new ReachError('ERR_REACH_TRUST_REVOKED', what, { details: { by: 'us' } })
}

/** Stays on the socket: an 'error' event that nobody listens to would end the process. */
function ignore(): void {
  // whoever waits for the channel, or holds its stream, hears of it in another way
}
