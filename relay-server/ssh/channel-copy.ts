import type { Duplex } from 'node:stream'

/** Whether what was written to a connection has left: an SSH client may promise to take more than it reads. */
export interface Pace {
  /** Calls back once, now or when there is room again. */
  whenReady(go: () => void): void
}

/** One end of a joined pair: the channel, and the connection that it runs over. */
export interface JoinedEnd {
  readonly stream: Duplex
  readonly pace: Pace
}

/**
 * Joins two channels: what comes in at one goes out at the other, one chunk at a time, so that the slower reader sets the
 * pace. An end is carried on alone (half-close); when one breaks, both are gone.
 */
export function joinChannels(a: JoinedEnd, b: JoinedEnd): void {
  copy(a.stream, b)
  copy(b.stream, a)
}

function copy(from: Duplex, { stream: to, pace }: JoinedEnd): void {
  from.on('data', (chunk: Uint8Array) => {
    from.pause()
    to.write(chunk, (error) => {
      if (error === undefined || error === null) pace.whenReady(() => from.resume())
    })
  })
  from.once('end', () => to.end())
  from.once('error', () => to.destroy())
  from.once('close', () => {
    if (!from.readableEnded) to.destroy()
    else if (to.writableFinished) to.destroy()
    else to.once('finish', () => to.destroy()) // what was sent before is still to be delivered
  })
}
