import type { PeerIdentity } from '../identity/trust/trust-policy.ts'

/** What a handler is given: a stream, or a flow of datagrams. */
interface Handled {
  reset(reason: 'internal'): void
}

/** Calls a user's handler. What it throws, or rejects with, resets what it was given. */
export function callHandler<T extends Handled>(
  handler: (given: T, peer: PeerIdentity) => unknown,
  given: T,
  peer: PeerIdentity,
): void {
  const failed = () => given.reset('internal')
  try {
    const result = handler(given, peer)
    // No promise where there is none: most handlers are through at once, and streams may come by the ten thousand.
    if (isThenable(result)) Promise.resolve(result).catch(failed)
  } catch {
    failed()
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
