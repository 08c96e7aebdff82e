import type { Duplex } from 'node:stream'
import type { DirectMessage } from '../../protocol/signaling/direct-message.ts'
import {
  MAX_DIRECT_MESSAGE,
  decodeDirectMessage,
  encodeDirectMessage,
} from '../../protocol/signaling/direct-message.ts'
import { LineReader } from '../../protocol/signaling/line-reader.ts'
import { ReachError } from '../../base/errors.ts'

/** What comes over a signal. */
export interface DirectSignalEvents {
  onMessage(message: DirectMessage): void
  /** Nothing more comes. Called once. */
  onEnd(error: Error | undefined): void
}

/** A stream of a session as messages about direct paths, one a line. */
export class DirectSignal {
  readonly #stream: Duplex
  #isOver = false

  /** @param stream is this object's from now on */
  constructor(stream: Duplex, events: DirectSignalEvents) {
    this.#stream = stream
    const reader = new LineReader(MAX_DIRECT_MESSAGE)
    const end = (error?: Error) => {
      if (this.#isOver) return
      this.#isOver = true
      stream.destroy()
      events.onEnd(error)
    }
    stream.on('data', (chunk: Uint8Array) => {
      try {
        for (const line of reader.push(chunk)) {
          const message = decodeDirectMessage(line)
          if (message !== undefined && !this.#isOver) events.onMessage(message)
        }
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
        end(error)
      }
    })
    stream.on('error', (error) => end(error))
    stream.once('end', () => end())
    stream.once('close', () => end())
  }

  /** Whether messages still get through. */
  get isOpen(): boolean {
    return !this.#isOver
  }

  send(message: DirectMessage): void {
    if (!this.#isOver) this.#stream.write(`${encodeDirectMessage(message)}\n`)
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stream.end()
    this.#stream.resume()
  }
}
