import { ReachError } from '../../../../lib/base/errors.ts'
import {
  decodeFrameHeader,
  encodeFrameHeader,
  FRAME_FLAGS,
  FRAME_HEADER_LENGTH,
  FRAME_TYPES,
} from '../../../../lib/protocol/mux/frame.ts'
import type { FrameHeader } from '../../../../lib/protocol/mux/frame.ts'
import type { MuxEvent } from '../../../../lib/protocol/mux/mux-event.ts'
import type { MuxOptions } from '../../../../lib/protocol/mux/mux-options.ts'
import { MuxSession } from '../../../../lib/protocol/mux/mux-session.ts'

/** A frame that a session wrote. */
export interface SentFrame extends FrameHeader {
  readonly payload: Uint8Array
}

/** A session of ours, whose other side is the test itself, frame by frame. The clock stands still until moved. */
export class RawPeer {
  readonly session: MuxSession
  readonly events: MuxEvent[] = []
  nowMs = 1000

  constructor(
    options: {
      readonly role?: 'initiator' | 'responder'
      readonly hasOpenHeaders?: boolean
      readonly options?: Partial<MuxOptions>
    } = {},
  ) {
    const { role = 'responder', hasOpenHeaders = false } = options
    const setup = {
      role,
      hasOpenHeaders,
      ...(options.options === undefined ? {} : { options: options.options }),
    }
    this.session = new MuxSession(setup, this.nowMs)
    this.pull()
  }

  /** Sends the session a frame. For data frames the length is the payload's, unless it is told. */
  send(header: Partial<FrameHeader>, payload: Uint8Array = new Uint8Array(0)): void {
    this.sendBytes(frameBytes(header, payload))
  }

  sendBytes(bytes: Uint8Array): void {
    this.session.receive(bytes, this.nowMs)
    this.drain()
  }

  /** Opens a stream with a plain SYN. */
  syn(streamId: number, flags = 0): void {
    this.send({ type: FRAME_TYPES.windowUpdate, flags: FRAME_FLAGS.syn | flags, streamId })
  }

  data(streamId: number, payload: Uint8Array, flags = 0): void {
    this.send({ flags, streamId }, payload)
  }

  /** All that the session has to say, as frames. */
  pull(maxLength = 1 << 20): readonly SentFrame[] {
    const chunks: Uint8Array[] = []
    while (this.session.hasOutput) chunks.push(...this.session.pull(maxLength, this.nowMs))
    this.drain()
    return framesIn(Buffer.concat(chunks))
  }

  /** As {@link pull}, without pings. */
  frames(): readonly SentFrame[] {
    return this.pull().filter(({ type }) => type !== FRAME_TYPES.ping)
  }

  drain(): void {
    for (let event = this.session.poll(); event !== undefined; event = this.session.poll())
      this.events.push(event)
  }

  kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind)
  }

  /** Takes the events so far. */
  take(): readonly MuxEvent[] {
    return this.events.splice(0)
  }

  /** The stream that was offered last. */
  get offered() {
    const event = this.events.findLast(({ kind }) => kind === 'open')
    if (event?.kind !== 'open') throw new Error('no stream was offered')
    return event.stream
  }

  /** What the session broke off for; undefined when it did not. */
  get failure(): ReachError | undefined {
    return this.session.end?.kind === 'failed' ? this.session.end.error : undefined
  }
}

/** A frame's bytes. */
export function frameBytes(
  header: Partial<FrameHeader>,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_LENGTH + payload.length)
  const whole = { type: FRAME_TYPES.data, flags: 0, streamId: 1, length: payload.length, ...header }
  encodeFrameHeader(whole, new DataView(bytes.buffer))
  bytes.set(payload, FRAME_HEADER_LENGTH)
  return bytes
}

/** The frames that bytes consist of. */
export function framesIn(bytes: Uint8Array): readonly SentFrame[] {
  const frames: SentFrame[] = []
  for (let at = 0; at < bytes.length;) {
    const header = decodeFrameHeader(bytes, at)
    at += FRAME_HEADER_LENGTH
    const length = header.type === FRAME_TYPES.data ? header.length : 0
    frames.push({ ...header, payload: bytes.subarray(at, at + length) })
    at += length
  }
  return frames
}
