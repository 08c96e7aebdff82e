import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { DnsMessage, DnsQuestion, DnsRecord } from './dns-message.ts'
import { encodeDns } from './dns-message.ts'
import type { LanService, RecordKind } from './lan-service.ts'
import {
  LEGACY_TTL_S,
  MDNS_PORT,
  RECORD_TTL_S,
  SERVICE_TYPE,
  SERVICE_TYPES,
  hostName,
  isSameName,
  recordsOf,
} from './lan-service.ts'

/** A packet to send; without `to`, to everybody on the link. */
export interface LinkPacket {
  readonly bytes: Uint8Array
  readonly to?: TransportAddress
}

/** Least and most milliseconds of a delay that chance decides. */
export interface JitterRange {
  readonly from: number
  readonly to: number
}

/** RFC 6762 §6: others answer the same question, so the answers are spread. */
const SHARED_DELAY_MS = { from: 20, to: 120 } as const
/** RFC 6762 §7.2: known answers may follow in other packets. */
const TRUNCATED_DELAY_MS = { from: 400, to: 500 } as const
/** RFC 6762 §6: a record is multicast once in a second. */
const REPEAT_MS = 1000
/** RFC 6762 §8.3: unsolicited, twice, a second apart; the first after some chance, as many start at once. */
const ANNOUNCEMENTS = 2
/** RFC 6762 §5.4: who wants the answer alone gets it so if all others have heard it lately. */
const RECENT_MS = (RECORD_TTL_S * 1000) / 4
/** Ours: answers to single askers cost what they ask for; the group is enough for whoever means well. */
const MAX_UNICAST_PER_S = 10
/** Ours: askers remembered for one answer; with more, it is sent whatever they say later. */
const MAX_ASKERS = 32

const ALL: readonly RecordKind[] = ['pointer', 'service', 'text', 'addresses']

interface PendingAnswer {
  dueMs: number
  readonly kinds: Set<RecordKind>
  /** Who wants the pointer, and might still say that it knows it; undefined: it is sent in any case. */
  askers: Set<string> | undefined
}

/** Answers for one service on one link (RFC 6762 §6 and §7), and tells of its coming and going (§8.3, §10.1). */
export class Responder {
  readonly #records: Readonly<Record<RecordKind, readonly DnsRecord[]>>
  readonly #service: LanService
  readonly #jitter: (range: JitterRange) => number
  readonly #sentMs = new Map<RecordKind, number>()
  readonly #out: LinkPacket[] = []
  #pending: PendingAnswer | undefined
  #announcements = ANNOUNCEMENTS
  #unicast = { second: -1, count: 0 }

  /** @param ips the host's addresses on the link. @param jitter a number of milliseconds by chance */
  constructor(
    service: LanService,
    ips: readonly string[],
    jitter: (range: JitterRange) => number,
    nowMs: number,
  ) {
    this.#service = service
    this.#records = recordsOf(service, ips)
    this.#jitter = jitter
    this.#announce(nowMs + jitter(SHARED_DELAY_MS))
  }

  get deadlineMs(): number | undefined {
    return this.#pending?.dueMs
  }

  poll(): LinkPacket | undefined {
    return this.#out.shift()
  }

  /** A neighbour asks, or says what it knows already. */
  query(message: DnsMessage, from: TransportAddress, nowMs: number): void {
    const asker = formatAddress(from)
    const knows = this.#isKnown(message.answers)
    if (knows) this.#pending?.askers?.delete(asker)
    const asked = message.questions.filter((question) => this.#kindsOf(question).length > 0)
    const kinds = new Set(asked.flatMap((question) => this.#kindsOf(question)))
    if (knows) kinds.delete('pointer')
    if (kinds.size === 0) return
    if (from.port !== MDNS_PORT) this.#answerLegacy(message.id, asked, kinds, from, nowMs)
    else if (asked.every(({ isUnicast }) => isUnicast) && this.#isRecent(kinds, nowMs))
      this.#answerOne(kinds, from, nowMs)
    else this.#schedule(kinds, message.isTruncated, asker, nowMs)
  }

  handleTimeout(nowMs: number): void {
    const pending = this.#pending
    if (pending === undefined || nowMs < pending.dueMs) return
    this.#pending = undefined
    if (pending.askers?.size === 0) pending.kinds.delete('pointer')
    const early = [...pending.kinds].filter((kind) => nowMs < this.#freeAtMs(kind))
    const kinds = new Set([...pending.kinds].filter((kind) => !early.includes(kind)))
    if (early.length > 0) {
      const dueMs = Math.min(...early.map((kind) => this.#freeAtMs(kind)))
      this.#pending = { dueMs, kinds: new Set(early), askers: pending.askers }
    }
    if (kinds.size > 0) this.#multicast(kinds, nowMs)
  }

  /** The last word: what was said is taken back. */
  goodbye(): LinkPacket {
    const answers = ALL.flatMap((kind) => this.#records[kind]).map((record) => ({ ...record, ttlS: 0 }))
    return { bytes: response({ answers }) }
  }

  #announce(dueMs: number): void {
    this.#announcements--
    this.#pending = { dueMs, kinds: new Set(ALL), askers: undefined }
  }

  #kindsOf({ name, type }: DnsQuestion): readonly RecordKind[] {
    const { instance } = this.#service
    const is = (...types: readonly string[]) => type === 'ANY' || types.includes(type)
    if (isSameName(name, SERVICE_TYPES)) return is('PTR') ? ['types'] : []
    if (isSameName(name, SERVICE_TYPE)) return is('PTR') ? ['pointer'] : []
    if (isSameName(name, hostName(instance))) return is('A', 'AAAA') ? ['addresses'] : []
    if (!isSameName(name, `${instance}.${SERVICE_TYPE}`)) return []
    return [...(is('SRV') ? (['service'] as const) : []), ...(is('TXT') ? (['text'] as const) : [])]
  }

  /** RFC 6762 §7.1: whoever has it for more than half its time need not be told. */
  #isKnown(answers: readonly DnsRecord[]): boolean {
    const target = `${this.#service.instance}.${SERVICE_TYPE}`
    return answers.some(
      (record) =>
        record.type === 'PTR' &&
        isSameName(record.name, SERVICE_TYPE) &&
        isSameName(record.target, target) &&
        record.ttlS >= RECORD_TTL_S / 2,
    )
  }

  #isRecent(kinds: ReadonlySet<RecordKind>, nowMs: number): boolean {
    return [...kinds].every((kind) => nowMs < (this.#sentMs.get(kind) ?? -Infinity) + RECENT_MS)
  }

  #freeAtMs(kind: RecordKind): number {
    return (this.#sentMs.get(kind) ?? -Infinity) + REPEAT_MS
  }

  #schedule(kinds: ReadonlySet<RecordKind>, isTruncated: boolean, asker: string, nowMs: number): void {
    const isShared = kinds.has('pointer') || kinds.has('types')
    const delayMs = isTruncated
      ? this.#jitter(TRUNCATED_DELAY_MS)
      : isShared
        ? this.#jitter(SHARED_DELAY_MS)
        : 0
    const pending = (this.#pending ??= { dueMs: nowMs + delayMs, kinds: new Set(), askers: new Set() })
    pending.dueMs = Math.min(pending.dueMs, nowMs + delayMs)
    for (const kind of kinds) pending.kinds.add(kind)
    if (!kinds.has('pointer') || pending.askers === undefined) return
    pending.askers.add(asker)
    if (pending.askers.size > MAX_ASKERS) pending.askers = undefined
  }

  #multicast(kinds: ReadonlySet<RecordKind>, nowMs: number): void {
    const extra = this.#extras(kinds).filter((kind) => nowMs >= this.#freeAtMs(kind))
    for (const kind of [...kinds, ...extra]) this.#sentMs.set(kind, nowMs)
    this.#out.push({ bytes: response({ answers: this.#of(kinds), additionals: this.#of(extra) }) })
    if (this.#announcements > 0 && this.#pending === undefined) this.#announce(nowMs + REPEAT_MS)
  }

  #answerOne(kinds: ReadonlySet<RecordKind>, to: TransportAddress, nowMs: number): void {
    if (!this.#mayUnicast(nowMs)) return
    const additionals = this.#of(this.#extras(kinds))
    this.#out.push({ bytes: response({ answers: this.#of(kinds), additionals }), to })
  }

  /** RFC 6762 §6.7: as a DNS server would answer. */
  #answerLegacy(
    id: number,
    questions: readonly DnsQuestion[],
    kinds: ReadonlySet<RecordKind>,
    to: TransportAddress,
    nowMs: number,
  ): void {
    if (!this.#mayUnicast(nowMs)) return
    const plain = (record: DnsRecord) => ({ ...record, ttlS: LEGACY_TTL_S, isOnly: false })
    const answers = this.#of(kinds).map(plain)
    const additionals = this.#of(this.#extras(kinds)).map(plain)
    this.#out.push({ bytes: response({ id, questions, answers, additionals }), to })
  }

  #mayUnicast(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#unicast.second) this.#unicast = { second, count: 0 }
    return ++this.#unicast.count <= MAX_UNICAST_PER_S
  }

  /** RFC 6763 §12: what whoever asks will ask next. */
  #extras(kinds: ReadonlySet<RecordKind>): readonly RecordKind[] {
    const next: readonly RecordKind[] = kinds.has('pointer')
      ? ['service', 'text', 'addresses']
      : kinds.has('service')
        ? ['addresses']
        : []
    return next.filter((kind) => !kinds.has(kind))
  }

  #of(kinds: Iterable<RecordKind>): readonly DnsRecord[] {
    return [...kinds].flatMap((kind) => this.#records[kind])
  }
}

function response(parts: Partial<DnsMessage>): Uint8Array {
  const empty = { id: 0, isTruncated: false, questions: [], answers: [], additionals: [] }
  return encodeDns({ ...empty, ...parts, isResponse: true })
}
