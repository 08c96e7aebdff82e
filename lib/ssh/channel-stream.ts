import { Duplex } from 'node:stream'
import type { Channel } from 'ssh2'

/**
 * A channel of ssh2 as a Duplex that keeps Node's contract. The channel itself does not: its `destroy` flushes, its
 * 'close' comes without its state, and a write after the other side's end is never called back.
 */
export class ChannelStream extends Duplex {
  readonly #channel: Channel

  constructor(channel: Channel) {
    super({ allowHalfOpen: true })
    this.#channel = channel
    channel.on('data', (chunk: Uint8Array) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause()
    })
    channel.once('end', () => this.push(null))
    channel.once('close', () => this.#closed())
    channel.once('error', (error: Error) => this.destroy(error))
    // What a program on the server says to people is none of ours; unread, it would stop the channel.
    channel.stderr.on('error', () => undefined)
    if ('resume' in channel.stderr) channel.stderr.resume()
  }

  /** What has come in and nobody has taken yet. */
  get heldBytes(): number {
    return this.readableLength + this.#channel.readableLength
  }

  override _read(): void {
    this.#channel.resume()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    // The channel calls back when its window has taken all of it: the other side's reader sets the pace.
    this.#channel.write(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.eof()
    done()
  }

  /** What came before is still to be read. */
  #closed(): void {
    if (this.readableEnded || this.destroyed) this.destroy()
    else this.once('end', () => this.destroy())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#channel.resume() // what still comes is of no interest, but its end is
    this.#channel.close()
    done(error)
  }
}
