import type { Duplex } from 'node:stream'
import { ReachError } from '../../lib/base/errors.ts'
import { LEG_HEAD_LENGTH, decodeLegHead } from '../../lib/protocol/relay/data-leg.ts'

/**
 * Reads the head of a data leg, and nothing behind it. Sets no time limit. A connection that is no leg, or ends, is
 * destroyed and never reported.
 */
export function readLegHead(socket: Duplex, onTicket: (ticket: Uint8Array) => void): void {
  socket.allowHalfOpen = true // each direction ends by itself from here on
  let head: Uint8Array = new Uint8Array(0)
  const stop = () => {
    socket.off('readable', onReadable).off('end', onEnd).off('close', stop)
  }
  const onEnd = () => {
    stop()
    socket.destroy()
  }
  const onReadable = () => {
    // More than there is would not be given at all, and nothing at all would never tell of an end.
    const length = Math.max(1, Math.min(LEG_HEAD_LENGTH - head.length, socket.readableLength))
    const chunk: unknown = socket.read(length)
    if (!(chunk instanceof Uint8Array)) return
    head = Buffer.concat([head, chunk])
    const ticket = ticketIn(head)
    if (ticket === 'no-leg') onEnd()
    else if (ticket !== undefined) {
      stop()
      onTicket(ticket)
    }
  }
  socket.on('readable', onReadable).once('end', onEnd).once('close', stop)
  onReadable()
}

function ticketIn(head: Uint8Array): Uint8Array | undefined | 'no-leg' {
  try {
    return decodeLegHead(head)
  } catch (error) {
    if (ReachError.is(error)) return 'no-leg'
    throw error
  }
}
