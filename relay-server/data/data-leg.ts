import type { Socket } from 'node:net'
import { ReachError } from '../../lib/base/errors.ts'
import type { Clock } from '../../lib/base/runtime.ts'
import type { LegStatus } from '../../lib/protocol/relay/data-leg.ts'
import { LEG_HEAD_LENGTH, LEG_STATUS, decodeLegHead } from '../../lib/protocol/relay/data-leg.ts'

/** Ours: how long a refusal may take to arrive before the connection is cut. */
const FAREWELL_MS = 2000

/**
 * Reads the head of a data leg; what follows it, which must not come before `go`, waits in the socket. A connection that
 * is no leg, or dawdles, is destroyed and never reported.
 */
export function readLegHead(
  socket: Socket,
  clock: Clock,
  timeoutMs: number,
  onTicket: (ticket: Uint8Array) => void,
): void {
  socket.allowHalfOpen = true // each direction ends by itself from here on
  const timer = clock.setTimer(timeoutMs, () => socket.destroy())
  let head: Buffer = Buffer.alloc(0)
  const stop = () => {
    timer.cancel()
    socket.off('readable', onReadable).off('end', onEnd).off('close', stop)
  }
  const onEnd = () => socket.destroy()
  const onReadable = () => {
    const wanted = LEG_HEAD_LENGTH - head.length
    const chunk: unknown = socket.read(Math.min(wanted, Math.max(1, socket.readableLength)))
    if (!(chunk instanceof Uint8Array)) return
    head = Buffer.concat([head, chunk])
    try {
      const ticket = decodeLegHead(head)
      if (ticket === undefined) {
        if (socket.readableLength > 0) onReadable()
        return
      }
      stop()
      onTicket(ticket)
    } catch (error) {
      if (!ReachError.is(error)) throw error
      socket.destroy()
    }
  }
  socket.on('readable', onReadable).once('end', onEnd).once('close', stop)
  onReadable()
}

/** Tells a leg why it gets no peer, and ends it. */
export function refuseLeg(socket: Socket, status: Exclude<LegStatus, 'go'>, clock: Clock): void {
  if (socket.destroyed) return
  const timer = clock.setTimer(FAREWELL_MS, () => socket.destroy())
  socket.once('close', () => timer.cancel())
  socket.resume() // its end is of interest, what it sends is not
  socket.end(Uint8Array.of(LEG_STATUS[status]))
}
