import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Closes a connection without saying goodbye: the other end sees an error (RST) and no early end. What waits to be sent
 * is dropped. Streams that know no resets (TLS, unix sockets) are destroyed.
 */
export function resetConnection(stream: Duplex): void {
  if (!(stream instanceof Socket) || !canBeReset(stream)) {
    stream.destroy()
    return
  }
  // libuv refuses to reset while our own end is on its way to the system (a turn of the event loop at most, when nothing
  // else waits to be written), and Node then never closes the socket.
  if (stream.writableEnded && !stream.writableFinished && stream.writableLength === 0) {
    stream.once('finish', () => stream.resetAndDestroy())
    return
  }
  // By itself, Node would first wait until a reader that may have stalled for good has taken everything, and then say
  // goodbye properly (net.Socket#destroySoon).
  const mustNotWait = stream.writableLength > 0
  stream.resetAndDestroy()
  if (mustNotWait) stream.destroy()
}

/** A unix socket has no port, and for a TLSSocket Node throws. */
function canBeReset(stream: Socket): boolean {
  return stream.constructor === Socket && stream.remotePort !== undefined
}
