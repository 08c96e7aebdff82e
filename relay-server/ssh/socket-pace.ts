import type { Socket } from 'node:net'
import type { Pace } from './channel-copy.ts'

/** Ours: enough to keep a fast connection busy; ssh2 itself looks at nothing but windows, which the client chooses. */
const MAX_QUEUED = 1024 * 1024

/** The pace of everything that goes over one socket. */
export class SocketPace implements Pace {
  readonly #socket: Socket
  #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('drain', () => {
      const waiting = this.#waiting
      this.#waiting = []
      // Each may fill it again.
      for (const go of waiting) this.whenReady(go)
    })
  }

  whenReady(go: () => void): void {
    if (this.#socket.writableLength <= MAX_QUEUED) go()
    else this.#waiting.push(go)
  }
}
