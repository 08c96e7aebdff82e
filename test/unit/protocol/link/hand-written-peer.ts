import { LINK_VERSION } from '../../../../lib/protocol/link/handshake-record.ts'
import type { AttachRequest } from '../../../../lib/protocol/link/handshake-record.ts'
import type { LinkEffect } from '../../../../lib/protocol/link/link-effect.ts'
import type { Link } from '../../../../lib/protocol/link/link.ts'
import { LinkRegistry } from '../../../../lib/protocol/link/link-registry.ts'
import type { AttachOutcome } from '../../../../lib/protocol/link/link-registry.ts'
import { RecordParser } from '../../../../lib/protocol/link/record-parser.ts'
import { RecordWriter } from '../../../../lib/protocol/link/record-writer.ts'
import { ReplayBudget } from '../../../../lib/protocol/link/replay-budget.ts'
import { SESSION_ID } from '../../../vectors/link-v1.ts'

export const PEER_KEY = new Uint8Array(32).fill(7)
export const OTHER_KEY = new Uint8Array(32).fill(8)

/** An initiator's first ATTACH, or what a test changes of it. */
export function anAttach(changes: Partial<AttachRequest> = {}): AttachRequest {
  return {
    version: LINK_VERSION,
    mayCreate: true,
    senderRole: 'initiator',
    isAlone: false,
    sessionId: SESSION_ID,
    generation: 1,
    received: 0,
    resumeTimeMs: 60_000,
    ...changes,
  }
}

/** A link of ours whose peer is the test itself, writing records by hand. */
export class HandWrittenPeer {
  readonly budget = new ReplayBudget()
  readonly registry = new LinkRegistry({ budget: this.budget })
  readonly link: Link
  nowMs = 0
  #generation = 1

  /** The session exists, with path 1 attached; all greetings are read away. */
  constructor() {
    const outcome = this.registry.accept(1, anAttach(), PEER_KEY, 0)
    if (outcome.kind !== 'accepted') throw new Error(outcome.refusal)
    this.link = outcome.link
    this.drain()
    this.pull(1)
  }

  /** Attaches another path, or tries to. */
  attach(path: number, changes: Partial<AttachRequest> = {}, key: Uint8Array = PEER_KEY): AttachOutcome {
    const request = anAttach({ mayCreate: false, generation: ++this.#generation, ...changes })
    return this.registry.accept(path, request, key, this.nowMs)
  }

  /** Sends records, as they are or as a writer is told. */
  send(path: number, ...records: readonly (Uint8Array | ((writer: RecordWriter) => unknown))[]): void {
    const writer = new RecordWriter()
    for (const record of records) {
      if (typeof record === 'function') record(writer)
      else writer.bytes(record)
    }
    this.link.receive(path, writer.take(), this.nowMs)
  }

  /** A DATA record with a payload of zeros. */
  sendData(path: number, offset: number, length: number, wantsAck = false): void {
    this.send(path, (writer) => writer.dataHeader(offset, length, wantsAck), new Uint8Array(length))
  }

  drain(): LinkEffect[] {
    const effects: LinkEffect[] = []
    for (let effect = this.link.poll(); effect !== undefined; effect = this.link.poll()) effects.push(effect)
    return effects
  }

  /** All that a path has to say, as lines like `data 0+5` and `ack 0000000000000007`. */
  pull(path: number): string[] {
    const lines: string[] = []
    const parser = new RecordParser()
    const sink = {
      onData: (offset: number, bytes: Uint8Array, wantsAck: boolean) => {
        lines.push(`${wantsAck ? 'data-ack' : 'data'} ${offset}+${bytes.length}`)
      },
      onControl: (type: number, body: Uint8Array) => {
        lines.push(`${NAMES[type] ?? String(type)} ${Buffer.from(body).toString('hex')}`)
      },
    }
    for (let i = 0; i < 1000; i++) {
      const chunks = this.link.pull(path, this.nowMs)
      if (chunks.length === 0) return lines
      parser.push(Buffer.concat(chunks), sink)
    }
    throw new Error('a path that has always more to say')
  }
}

const NAMES: Readonly<Record<number, string>> = {
  0x01: 'attach',
  0x02: 'accept',
  0x03: 'refuse',
  0x12: 'ack',
  0x13: 'ping',
  0x14: 'pong',
  0x15: 'fin',
  0x16: 'close',
  0x17: 'gone',
}
