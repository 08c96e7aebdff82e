import type { Duplex } from 'node:stream'
import type { Endpoint } from '../../base/endpoint.ts'
import { Socks5Handshake } from '../../protocol/socks/socks5.ts'
import type { SocksLogin, SocksStep } from '../../protocol/socks/socks5.ts'
import { protocolError } from '../protocol-error.ts'

type SocksAnswer = Extract<SocksStep, { readonly kind: 'done' | 'refused' }>

/** Carries the handshake of SOCKS 5 out over a connection. @throws the network's error; the signal's reason */
export function shakeSocks(
  socket: Duplex,
  target: Endpoint,
  login: SocksLogin | undefined,
  signal: AbortSignal,
): Promise<SocksAnswer> {
  const handshake = new Socks5Handshake(target, login)
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', onAbort)
      socket.off('readable', onReadable).off('error', onError).off('end', onGone).off('close', onGone)
      outcome()
    }
    const onAbort = () => settle(() => reject(signal.reason))
    const onError = (error: Error) => settle(() => reject(error))
    const onGone = () =>
      settle(() => reject(protocolError('ECONNRESET', 'the connection was cut before an answer')))
    const onReadable = () => {
      const chunk: unknown = socket.read()
      if (chunk instanceof Uint8Array) take(chunk)
    }
    const take = (chunk: Uint8Array) => {
      try {
        let step = handshake.push(chunk)
        while (step.kind === 'send') {
          socket.write(step.bytes)
          step = handshake.push(new Uint8Array(0))
        }
        if (step.kind !== 'more') settle(() => resolve(step))
      } catch (error) {
        settle(() => reject(error))
      }
    }
    if (signal.aborted) return reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('readable', onReadable).on('error', onError).on('end', onGone).on('close', onGone)
    if (socket.destroyed) onGone()
    else socket.write(handshake.start())
  })
}
