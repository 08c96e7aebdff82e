import { ReachError } from '../../base/errors.ts'
import { FRAME_FLAGS, FRAME_TYPES, INITIAL_WINDOW, MAX_WINDOW } from './frame.ts'
import type { FrameHeader } from './frame.ts'
import type { FrameSink } from './frame-parser.ts'
import { GO_AWAY_CODES } from './go-away.ts'
import type { MuxCore } from './mux-core.ts'
import { OpenReader } from './open-reader.ts'
import { RESET_REASONS } from './reset-reason.ts'
import type { StreamRecord, StreamSubject } from './stream-record.ts'
import { TokenBucket } from './token-bucket.ts'
import { violation } from './violation.ts'

/** Ours: pings that are not answered yet. More of them at once is a flood, whatever the rate. */
export const MAX_PENDING_PONGS = 64

/** An OPEN that is being read: of a stream that is not in our books yet. */
interface Opening {
  readonly id: number
  /** Of the whole payload. */
  readonly length: number
}

/** Without OPEN, every stream is one. */
const PLAIN: StreamSubject = { service: undefined, carries: 'bytes' }

/** Reads the frames that come in, and does what they say. What breaks the rules is thrown as ERR_REACH_PROTOCOL. */
export class MuxInput implements FrameSink {
  readonly #core: MuxCore
  readonly #open = new OpenReader()
  readonly #pings: TokenBucket
  readonly #noise: TokenBucket
  /** Where the payload of the frame at hand goes; both undefined: nowhere, for its stream is over. */
  #receiver: StreamRecord | undefined
  #opening: Opening | undefined
  /** The frame at hand ends its sender's direction of the stream. */
  #isLast = false
  /** When the frames at hand came. */
  nowMs: number

  constructor(core: MuxCore, nowMs: number) {
    this.#core = core
    this.#pings = new TokenBucket(core.options.pings, nowMs)
    this.#noise = new TokenBucket(core.options.noise, nowMs)
    this.nowMs = nowMs
  }

  onFrame(header: FrameHeader): void {
    if (this.#core.end !== undefined) return
    if (header.type === FRAME_TYPES.ping) return this.#onPing(header)
    if (header.type === FRAME_TYPES.goAway) return this.#onGoAway(header.length)
    this.#receiver = undefined
    this.#opening = undefined
    this.#isLast = (header.flags & FRAME_FLAGS.fin) !== 0
    if ((header.flags & FRAME_FLAGS.syn) !== 0) return this.#onSyn(header)
    const record = this.#core.streams.get(header.streamId)
    if (record?.isKnownToPeer !== true) this.#onUnknown(header)
    else this.#onStreamFrame(record, header)
  }

  onPayload(bytes: Uint8Array, left: number): void {
    if (this.#core.end !== undefined) return
    let data = bytes
    if (this.#opening !== undefined) {
      data = bytes.subarray(this.#open.push(bytes))
      this.#readOpen(this.#opening, left + data.length)
    }
    const record = this.#receiver
    if (record === undefined || record.isOver) return
    if (data.length > 0 && !this.#take(record, data)) return
    if (this.#isLast && left === 0) this.#onFin(record)
  }

  /** Bytes for a stream. @returns false when they were too much, and the stream had to go */
  #take(record: StreamRecord, data: Uint8Array): boolean {
    record.window.receive(data.length)
    if (this.#core.dropIfTooMuch(record)) return false
    this.#core.events.push({ kind: 'data', stream: record, bytes: data })
    return true
  }

  #onSyn(header: FrameHeader): void {
    const { streamId: id, length } = header
    const isData = header.type === FRAME_TYPES.data
    this.#core.ids.admit(id)
    if (isData && length > INITIAL_WINDOW) throw violation('more data than the window has', { length })
    this.#core.admitOpening()
    const refusal = this.#refusalOfSyn(isData ? length : 0)
    if (refusal !== undefined) {
      this.#core.refuse(id, RESET_REASONS[refusal])
      if (isData) this.#takeAllowance(length)
    } else if (this.#core.setup.hasOpenHeaders) {
      this.#open.restart()
      this.#opening = { id, length }
    } else {
      this.#onStreamFrame(this.#core.openPeers(id, PLAIN, this.nowMs), header)
    }
  }

  #refusalOfSyn(payloadLength: number): 'draining' | 'too-many-streams' | 'bad-open' | undefined {
    const { options, setup } = this.#core
    if (this.#core.isDraining) return 'draining'
    const isFull = this.#core.peerStreams >= options.maxStreams || this.#core.offered >= options.maxUnaccepted
    if (isFull) return 'too-many-streams'
    return setup.hasOpenHeaders && payloadLength === 0 ? 'bad-open' : undefined
  }

  /** Goes on with a payload that began with OPEN. @param left bytes of the payload behind what was read of OPEN */
  #readOpen({ id, length }: Opening, left: number): void {
    const { read } = this.#open
    if (read.kind === 'collecting' && left > 0) return
    this.#opening = undefined
    const isOpen = read.kind === 'open'
    if (!isOpen || this.#core.isDraining) {
      this.#core.refuse(id, RESET_REASONS[isOpen ? 'draining' : 'bad-open'])
      this.#takeAllowance(length)
      return
    }
    const record = this.#core.openPeers(id, read.open, this.nowMs)
    record.window.announce(length)
    record.window.receive(this.#open.length)
    this.#core.consumed(record, this.#open.length, this.nowMs)
    this.#receiver = record
  }

  #onStreamFrame(record: StreamRecord, header: FrameHeader): void {
    const isData = header.type === FRAME_TYPES.data
    if ((header.flags & FRAME_FLAGS.rst) !== 0) return this.#onReset(record, header, isData)
    if ((header.flags & FRAME_FLAGS.ack) !== 0) this.#onAck(record)
    if (header.flags === 0 && header.length === 0) this.#spendNoise('frames that say nothing')
    if (isData) return this.#onData(record, header)
    this.#onWindowUpdate(record, header.length)
    if (this.#isLast) this.#onFin(record)
  }

  #onAck(record: StreamRecord): void {
    if (record.opening !== 'syn-sent') {
      throw violation('an acknowledgement that nothing asked for', { streamId: record.id })
    }
    this.#accept(record)
  }

  #accept(record: StreamRecord): void {
    this.#core.answered(record)
    this.#core.events.push({ kind: 'accepted', stream: record })
  }

  #onData(record: StreamRecord, header: FrameHeader): void {
    const { length, streamId } = header
    if (record.receiving === 'ended') throw violation('data behind the end', { streamId, length })
    if (!record.window.announce(length)) {
      const { available } = record.window
      throw violation('more data than the window has', { streamId, length, available })
    }
    // Some peers acknowledge late; who sends data has accepted.
    if (record.opening === 'syn-sent') this.#accept(record)
    this.#receiver = record
    if (length === 0 && this.#isLast) this.#onFin(record)
  }

  #onWindowUpdate(record: StreamRecord, delta: number): void {
    if (record.sendWindow + delta > MAX_WINDOW) {
      throw violation('a window of more than 2^32 - 1 bytes', { streamId: record.id, delta })
    }
    record.sendWindow += delta
    this.#core.schedule(record)
  }

  #onFin(record: StreamRecord): void {
    if (record.receiving === 'ended') throw violation('a second end', { streamId: record.id })
    if (record.opening === 'syn-sent') this.#accept(record)
    this.#core.endReceiving(record)
    this.#core.events.push({ kind: 'end', stream: record })
    this.#core.finishIfEnded(record)
  }

  #onReset(record: StreamRecord, header: FrameHeader, isData: boolean): void {
    // Who resets what was accepted has spent a round trip, as one who ends it has. Earlier resets get round all limits of
    // streams at once. Those of our own streams are as many as we open.
    if (record.opening === 'offered') this.#spendNoise('resets')
    this.#core.wasReset(record, isData ? RESET_REASONS.unspecified : header.length)
    if (isData) this.#takeAllowance(header.length)
  }

  /** A frame for a stream that is not in our books: it was under way when the stream ended here, or it is a lie. */
  #onUnknown(header: FrameHeader): void {
    const { streamId, length } = header
    if (this.#core.streams.has(streamId) || !this.#core.isPast(streamId)) {
      throw violation('a frame for a stream that was never opened', { streamId })
    }
    if (header.type === FRAME_TYPES.data) this.#takeAllowance(length)
  }

  #takeAllowance(length: number): void {
    if (length > this.#core.orphanAllowance) {
      throw violation('more data for closed streams than their windows had', { length })
    }
    if (length === 0) this.#spendNoise('frames that say nothing')
    this.#core.orphanAllowance -= length
  }

  #onPing(header: FrameHeader): void {
    if (header.flags === FRAME_FLAGS.ack) return this.#core.keepalive.answered(header.length, this.nowMs)
    if (this.#core.pongs.length >= MAX_PENDING_PONGS || !this.#pings.take(this.nowMs)) {
      throw violation('a flood of pings', { pending: this.#core.pongs.length })
    }
    this.#core.pongs.push(header.length)
  }

  #onGoAway(code: number): void {
    if (code === GO_AWAY_CODES.normal) {
      if (!this.#core.isPeerDraining) this.#core.events.push({ kind: 'draining' })
      this.#core.isPeerDraining = true
    } else if (code === GO_AWAY_CODES.protocolError) {
      const message = 'the peer says that this side broke the protocol of streams'
      this.#core.finish({ kind: 'failed', error: new ReachError('ERR_REACH_PROTOCOL', message) }, undefined)
    } else {
      this.#core.finish({ kind: 'closed', by: 'peer', code }, undefined)
    }
  }

  #spendNoise(what: string): void {
    if (!this.#noise.take(this.nowMs)) throw violation(`a flood of ${what}`, {})
  }
}
