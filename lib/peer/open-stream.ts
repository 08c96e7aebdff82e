import { ReachError } from '../base/errors.ts'
import type { SessionStream } from '../session/session-stream.ts'
import type { ServiceAddress } from './service-address.ts'

/** Resolves when the peer has taken the stream. @throws {ReachError} ERR_REACH_STREAM_REFUSED with a hint, the signal's reason */
export function whenAccepted(
  stream: SessionStream,
  address: ServiceAddress,
  signal?: AbortSignal,
): Promise<SessionStream> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      stream.off('accepted', onAccepted).off('error', onError).off('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
    const onAccepted = () => {
      settle()
      resolve(stream)
    }
    const onError = (error: unknown) => {
      settle()
      reject(explained(error, address))
    }
    const onClose = () => onError(new ReachError('ERR_REACH_ABORTED', 'the stream was destroyed'))
    const onAbort = () => {
      settle()
      stream.on('error', () => undefined)
      stream.destroy()
      reject(signal?.reason)
    }
    stream.once('accepted', onAccepted).once('error', onError).once('close', onClose)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
  })
}

/** A refusal, in words for whoever dialled. Other errors as they are. */
export function explained(error: unknown, { peer, service }: ServiceAddress): unknown {
  if (!ReachError.is(error, 'ERR_REACH_STREAM_REFUSED')) return error
  const reason = String(error.details['reason'])
  const [message, hint] = WORDS[reason] ?? [`refused ${service}: ${reason}`, undefined]
  return new ReachError(error.code, `${peer} ${message.replaceAll('SERVICE', service)}`, {
    cause: error,
    details: { ...error.details, peer, service },
    ...(hint === undefined ? {} : { hint: hint.replaceAll('SERVICE', service) }),
  })
}

/** reason → what happened, and what to do. */
const WORDS: Readonly<Record<string, readonly [string, string]>> = {
  'service-unknown': [
    'exposes no service SERVICE',
    'check the name, or run there  p2p-reach expose TARGET --as SERVICE',
  ],
  'not-permitted': ['does not let us use SERVICE', 'ask who runs it to add us to its  --allow'],
  'target-unreachable': [
    'exposes SERVICE, but nothing answers behind it',
    'start the program there that the service leads to',
  ],
  'too-many-streams': ['has too many streams open', 'close some, or try again in a moment'],
  'wrong-transport': [
    'exposes SERVICE for another transport: one side speaks UDP, the other a stream',
    'use --udp on both sides, or on neither; in the library connectDatagrams goes with listenDatagrams',
  ],
  'bad-open': [
    'does not understand what we ask for: its version may be older than ours',
    'update p2p-reach there',
  ],
  draining: ['is about to end', 'try again in a moment'],
  internal: ['failed to serve SERVICE', 'look at what its program says there'],
}
