import type { DnsMessage, DnsRecord } from './dns-message.ts'
import { RECORD_TTL_S, SERVICE_TYPE, hostName, instanceOf, isSameName, tagOf } from './lan-service.ts'
import type { MdnsLink } from './mdns-link.ts'
import { isBelievable } from './mdns-link.ts'

/** A peer that was heard of, not yet recognised. */
export interface HeardService {
  readonly instance: string
  readonly tag: string
  readonly port: number
  /** In the order in which they were heard; all of them in a LAN of ours. */
  readonly ips: readonly string[]
}

interface Entry {
  readonly instance: string
  readonly link: number
  /** Who said so. */
  readonly source: string
  tag: string | undefined
  port: number | undefined
  ips: readonly string[]
  expiresAtMs: number
}

/** Ours: a LAN party; each costs an HMAC when somebody is looked for. */
export const MAX_SERVICES = 64
/** Ours: peers of one host. More than this is somebody who wants to fill the table. */
export const MAX_SERVICES_OF_SOURCE = 8
/** Ours: as many as a peer tells of itself. */
const MAX_IPS = 8
/** RFC 6762 §10.1: what is taken back is forgotten a second later, so that somebody can object. */
const GOODBYE_MS = 1000

/**
 * What was heard of peers on the LAN, each link by itself. Anybody there can say anything: so it takes names and addresses
 * of our own forms only, believes none for longer than its time, and has room for so many and no more.
 */
export class ServiceCache {
  readonly #entries = new Map<string, Entry>()

  /** Peers of which enough is known to dial them; one that was heard on several links once. */
  services(nowMs: number): readonly HeardService[] {
    const found = new Map<string, HeardService>()
    for (const { instance, tag, port, ips, expiresAtMs } of this.#entries.values()) {
      if (tag === undefined || port === undefined || ips.length === 0 || expiresAtMs <= nowMs) continue
      const same = found.get(instance)
      // One instance says one thing, or somebody else speaks in its name: then both stand.
      const key =
        same === undefined || (same.tag === tag && same.port === port)
          ? instance
          : `${instance} ${tag} ${port}`
      found.set(key, { instance, tag, port, ips: [...new Set([...(found.get(key)?.ips ?? []), ...ips])] })
    }
    return [...found.values()]
  }

  /** Names on a link that will hold for more than half of their time: what a query says that we know (RFC 6762 §7.1). */
  knownOn(link: number, nowMs: number): readonly { readonly instance: string; readonly ttlS: number }[] {
    return [...this.#entries.values()].flatMap((entry) => {
      const ttlS = Math.floor((entry.expiresAtMs - nowMs) / 1000)
      const isWhole = entry.tag !== undefined && entry.port !== undefined && entry.ips.length > 0
      return entry.link === link && isWhole && ttlS > RECORD_TTL_S / 2
        ? [{ instance: entry.instance, ttlS }]
        : []
    })
  }

  get nextExpiryMs(): number | undefined {
    const times = [...this.#entries.values()].map(({ expiresAtMs }) => expiresAtMs)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Takes what a response says. @returns whether anything became known or was taken back */
  take(message: DnsMessage, link: MdnsLink, source: string, nowMs: number): boolean {
    const records = [...message.answers, ...message.additionals]
    const named = new Set(records.flatMap((record) => instancesIn(record)))
    const changes = [...named].map((instance) => this.#takeOf(instance, records, link, source, nowMs))
    return changes.includes(true)
  }

  /** Forgets what is over. @returns whether anything was */
  expire(nowMs: number): boolean {
    const over = [...this.#entries].filter(([, { expiresAtMs }]) => expiresAtMs <= nowMs)
    for (const [key] of over) this.#entries.delete(key)
    return over.length > 0
  }

  /** Links that are gone take what was heard there with them. */
  keepLinks(numbers: ReadonlySet<number>): void {
    for (const [key, { link }] of this.#entries) if (!numbers.has(link)) this.#entries.delete(key)
  }

  #takeOf(
    instance: string,
    records: readonly DnsRecord[],
    link: MdnsLink,
    source: string,
    nowMs: number,
  ): boolean {
    const about = records.filter((record) => instancesIn(record).includes(instance))
    const lifetimeS = Math.min(...about.map(({ ttlS }) => ttlS), RECORD_TTL_S)
    const key = `${link.number} ${instance}`
    const known = this.#entries.get(key)
    if (lifetimeS === 0) {
      if (known !== undefined) known.expiresAtMs = Math.min(known.expiresAtMs, nowMs + GOODBYE_MS)
      return false // told when it has passed
    }
    const entry = known ?? this.#enter(key, instance, link.number, source)
    if (entry === undefined) return false
    const before = JSON.stringify([entry.tag, entry.port, entry.ips])
    for (const record of about) take(entry, record)
    entry.ips = addressesOf(instance, records, link, entry.ips)
    entry.expiresAtMs = nowMs + lifetimeS * 1000
    return JSON.stringify([entry.tag, entry.port, entry.ips]) !== before
  }

  #enter(key: string, instance: string, link: number, source: string): Entry | undefined {
    const ofSource = [...this.#entries.values()].filter((entry) => entry.source === source).length
    // Who comes first stays: else a flood of names would drive out those that are there.
    if (this.#entries.size >= MAX_SERVICES || ofSource >= MAX_SERVICES_OF_SOURCE) return undefined
    const entry: Entry = { instance, link, source, tag: undefined, port: undefined, ips: [], expiresAtMs: 0 }
    this.#entries.set(key, entry)
    return entry
  }
}

/** The instance that a record is about, in a list; addresses belong to hosts, and are found through them. */
function instancesIn(record: DnsRecord): readonly string[] {
  if (record.type === 'PTR')
    return isSameName(record.name, SERVICE_TYPE) ? present(instanceOf(record.target)) : []
  return record.type === 'SRV' || record.type === 'TXT' ? present(instanceOf(record.name)) : []
}

function present(instance: string | undefined): readonly string[] {
  return instance === undefined ? [] : [instance]
}

function take(entry: Entry, record: DnsRecord): void {
  if (record.type === 'TXT') entry.tag = tagOf(record.texts) ?? entry.tag
  // Our hosts are called as their instances are; another name would let one peer speak of another's host.
  else if (record.type === 'SRV' && isSameName(record.target, hostName(entry.instance)) && record.port > 0)
    entry.port = record.port
}

function addressesOf(
  instance: string,
  records: readonly DnsRecord[],
  link: MdnsLink,
  before: readonly string[],
): readonly string[] {
  const told = records.flatMap((record) =>
    (record.type === 'A' || record.type === 'AAAA') &&
    record.ttlS > 0 &&
    isSameName(record.name, hostName(instance))
      ? [record.ip]
      : [],
  )
  // Each response of ours has all addresses, and so replaces what was heard (RFC 6762 §10.2).
  const believed = [...new Set(told.filter((ip) => isBelievable(link, ip)))].slice(0, MAX_IPS)
  return told.length === 0 ? before : believed
}
