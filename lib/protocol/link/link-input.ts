import { decodeAccept, decodeRefuse } from './handshake-record.ts'
import { ReachError } from '../../base/errors.ts'
import type { LinkCore } from './link-core.ts'
import type { LinkPath } from './link-path.ts'
import type { RecordSink } from './record-parser.ts'
import { RECORD_TYPES } from './record-type.ts'
import { isFinal } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import {
  CLOSE_CODES,
  decodeAck,
  decodeClose,
  decodeFin,
  decodeGone,
  decodePing,
  writeGone,
} from './session-record.ts'
import type { Close } from './session-record.ts'
import { asViolation, violation } from './violation.ts'

/** Reads the records of a link's paths and does what they say. */
export class LinkInput implements RecordSink {
  readonly #core: LinkCore
  /** What is being read, and when it came: only within `receive`. */
  #from: LinkPath | undefined
  #nowMs = 0

  constructor(core: LinkCore) {
    this.#core = core
  }

  /** Those bytes of a chunk from `start` up to `end` came in over a path, which the link may not know any more. */
  receive(id: number, bytes: Uint8Array, nowMs: number, start: number, end: number): void {
    const from = this.#core.paths.get(id)
    if (from === undefined) return
    from.liveness.heard(nowMs)
    this.#from = from
    this.#nowMs = nowMs
    try {
      from.parser.push(bytes, this, start, end)
    } catch (error) {
      const broken = asViolation(error)
      if (from.isAttached) this.#core.fail(broken, { code: CLOSE_CODES.protocol, reason: broken.message })
      else this.#core.lose(from, { kind: 'violation', error: broken }, nowMs)
    }
    this.#from = undefined
  }

  onData(offset: number, bytes: Uint8Array, wantsAck: boolean): void {
    const from = this.#current()
    if (from === undefined) return
    if (!from.isAttached) throw violation('data before the answer to attach', { offset })
    this.#takeData(from, offset, bytes, wantsAck, this.#nowMs)
  }

  onControl(type: number, body: Uint8Array): void {
    const from = this.#current()
    if (from === undefined) return
    if (from.state.kind === 'attaching') this.#handleAnswer(from, from.state.sinceMs, type, body, this.#nowMs)
    else this.#handleControl(from, type, body, this.#nowMs)
  }

  /** The path that is being read. A record may end it or the link; what follows in the same chunk is nobody's. */
  #current(): LinkPath | undefined {
    const from = this.#from
    return from !== undefined && this.#core.paths.get(from.id) === from ? from : undefined
  }

  #takeData(from: LinkPath, offset: number, bytes: Uint8Array, wantsAck: boolean, nowMs: number): void {
    const news = this.#core.receiving.take(offset, bytes, wantsAck, nowMs)
    if (news === undefined) return
    // Only news count: what the former path still brings was sent before the peer changed over.
    if (this.#core.peerActive !== from) {
      this.#core.peerActive = from
      this.#core.tell({ kind: 'peer-active', path: from.id })
    }
    this.#core.tell({ kind: 'data', bytes: news })
  }

  /** The first record of a path that we dialled. */
  #handleAnswer(from: LinkPath, sinceMs: number, type: number, body: Uint8Array, nowMs: number): void {
    if (type === RECORD_TYPES.refuse) return this.#handleRefuse(from, decodeRefuse(body), nowMs)
    if (type !== RECORD_TYPES.accept) throw violation('no answer to attach', { type })
    const reply = decodeAccept(body)
    this.#core.acknowledge(reply.received, from, nowMs)
    this.#core.limitResumeTime(reply.resumeTimeMs)
    from.liveness.sample(nowMs - sinceMs)
    this.#core.attach(from, reply.isAlone, nowMs)
    // Those that were lost meanwhile could not be told of.
    if (this.#core.paths.size === 1) {
      writeGone(this.#core.writer, { kind: 'others' })
      from.enqueue(this.#core.writer.take())
    }
  }

  #handleRefuse(from: LinkPath, refusal: Refusal, nowMs: number): void {
    this.#core.lose(from, { kind: 'refused', refusal }, nowMs)
    // Another process of the same peer may have answered: while a path lives, so does the session.
    if (this.#core.paths.size > 0 || (this.#core.isEstablished && !isFinal(refusal))) return
    if (
      refusal === 'session-finished' &&
      this.#core.receiving.isDone &&
      this.#core.sending.finAt !== undefined
    ) {
      return this.#core.finish({ kind: 'finished' }, undefined)
    }
    this.#core.fail(
      new ReachError('ERR_REACH_SESSION_REFUSED', `the peer refused the session: ${refusal}`, {
        details: { refusal },
      }),
      undefined,
    )
  }

  #handleControl(from: LinkPath, type: number, body: Uint8Array, nowMs: number): void {
    switch (type) {
      case RECORD_TYPES.ack:
        return this.#core.acknowledge(decodeAck(body), from, nowMs)
      case RECORD_TYPES.ping: {
        const ping = decodePing(body)
        from.pongDue = ping.id
        return this.#core.acknowledge(ping.received, from, nowMs)
      }
      case RECORD_TYPES.pong: {
        const pong = decodePing(body)
        from.liveness.pong(pong.id, nowMs)
        return this.#core.acknowledge(pong.received, from, nowMs)
      }
      case RECORD_TYPES.fin:
        if (this.#core.receiving.finish(decodeFin(body), nowMs)) this.#core.tell({ kind: 'end' })
        return
      case RECORD_TYPES.close:
        return this.#handleClose(decodeClose(body))
      case RECORD_TYPES.gone: {
        const gone = this.#core.paths.named(decodeGone(body), from)
        for (const path of gone) if (path !== from) this.#core.lose(path, { kind: 'gone' }, nowMs)
        return
      }
      default:
        throw violation('an attach on a path that is attached', { type })
    }
  }

  #handleClose(close: Close): void {
    // The acknowledgement of our end came right before it.
    const isClean = close.code === CLOSE_CODES.finished && this.#core.isFinished
    this.#core.finish(isClean ? { kind: 'finished' } : { kind: 'closed', by: 'peer', close }, undefined)
  }
}
