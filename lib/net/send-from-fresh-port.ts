import type { Clock, Timer } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { systemCode } from './system-error.ts'
import { newSocket } from './udp-socket.ts'

/** How often a datagram is sent. */
export interface FreshPortOptions {
  readonly clock: Clock
  readonly times: number
  readonly intervalMs: number
  /** How long after the last one a complaint is waited for. */
  readonly lingerMs: number
  /** Ends it at once; what is known by then is the answer. */
  readonly signal?: AbortSignal
}

/** `refused`: the other end says that nobody listens (ICMP port unreachable). */
export type FreshPortOutcome = 'sent' | 'refused' | 'unreachable' | 'failed'

/**
 * Sends one datagram several times from a socket that is made for it, so from a port that has not talked to anybody:
 * no NAT or firewall on the way waits for packets from there. The socket is connected, as only then the system hands on
 * what routers and the other end complain of. Never rejects.
 */
export function sendFromFreshPort(
  bytes: Uint8Array,
  to: TransportAddress,
  { clock, times, intervalMs, lingerMs, signal }: FreshPortOptions,
): Promise<FreshPortOutcome> {
  return new Promise((resolve) => {
    const socket = newSocket(to.family)
    let timer: Timer | undefined
    let left = times
    const settle = (outcome: FreshPortOutcome) => {
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
      socket.removeAllListeners()
      socket.on('error', () => undefined) // a complaint that comes while it closes
      socket.close()
      resolve(outcome)
    }
    const onAbort = () => settle('failed')
    const onError = (error: unknown) => settle(complaintOf(systemCode(error)))
    const send = () => {
      left--
      socket.send(bytes, (error) => {
        if (error !== null) onError(error)
      })
      timer = left > 0 ? clock.setTimer(intervalMs, send) : clock.setTimer(lingerMs, () => settle('sent'))
    }
    socket.once('error', onError)
    socket.once('connect', send)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
    else socket.connect(to.port, to.ip)
  })
}

/** What a system's code says of the way to the other end; `failed` for what says nothing of it. */
export function complaintOf(code: string): Exclude<FreshPortOutcome, 'sent'> {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return 'unreachable'
    default:
      return 'failed'
  }
}
