import { Duplex } from 'node:stream'

/**
 * A socket behind a plain Duplex. TLS takes the handle of a socket over, and never hears of an end that came before: it
 * would wait for a handshake with nobody (Node 20.20). Of a Duplex it hears by events.
 */
export class SocketStream extends Duplex {
  readonly #socket: Duplex

  constructor(socket: Duplex) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    socket.on('data', (chunk: Uint8Array) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.once('end', () => this.push(null))
    socket.once('error', (error: Error) => this.destroy(error))
    socket.once('close', () => {
      if (this.readableEnded) this.destroy()
      else this.once('end', () => this.destroy())
    })
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}
