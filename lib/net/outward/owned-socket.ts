import type { Duplex } from 'node:stream'

/** A socket that is destroyed when the block of its `using` ends, unless it was released before. */
export interface OwnedSocket<T extends Duplex> extends Disposable {
  readonly socket: T
  /** Gives the socket away: the caller's caller destroys it. */
  release(): T
}

/**
 * Takes charge of a socket: it is destroyed on dispose, and what it reports while nobody listens (a reset between two
 * steps, say) is not thrown at the process: the next step finds the socket closed and says so.
 */
export function owned<T extends Duplex>(socket: T): OwnedSocket<T> {
  let isReleased = false
  socket.on('error', () => undefined)
  return {
    socket,
    release() {
      isReleased = true
      return socket
    },
    [Symbol.dispose]() {
      if (!isReleased) socket.destroy()
    },
  }
}
