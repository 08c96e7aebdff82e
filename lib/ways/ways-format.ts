import { ReachError } from '../base/errors.ts'
import { JsonReader } from '../base/json-reader.ts'
import { isIp } from '../base/transport-address.ts'

/** What is known of the ways from one network to one relay. */
export interface KnownWay {
  /** The network, as {@link networkKey} names it. */
  readonly network: string
  /** HOST:PORT. */
  readonly relay: string
  /** The rung that came through last. */
  readonly way: string
  /** Whether legs pass as they are, or only in TLS; undefined before it was tried. */
  readonly legs?: 'plain' | 'tls'
  /** How often something must be said, in ms, where connections were cut that said nothing. */
  readonly keepaliveMs?: number
  /** Calendar time in milliseconds since 1970. */
  readonly usedMs: number
}

/** Where a relay was reached last: for when its name can't be resolved. */
export interface KnownAddresses {
  readonly relay: string
  readonly ips: readonly string[]
}

export interface KnownWays {
  readonly ways: readonly KnownWay[]
  readonly addresses: readonly KnownAddresses[]
}

const SCHEMA = 'p2p-reach/ways/1'
/** Ours: who travels sees some networks a week. */
export const MAX_WAYS = 64
const MAX_ADDRESSES = 32
const MAX_IPS = 8

/** As JSON; the oldest are left out when they are too many. */
export function formatWays({ ways, addresses }: KnownWays): string {
  const newest = [...ways].sort((a, b) => b.usedMs - a.usedMs).slice(0, MAX_WAYS)
  const places = addresses.slice(-MAX_ADDRESSES)
  return `${JSON.stringify({ schema: SCHEMA, ways: newest, addresses: places }, undefined, 1)}\n`
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function parseWays(text: string): KnownWays {
  const reader = JsonReader.parse(text, 'the memory of ways')
  if (reader.text('schema') !== SCHEMA) throw new ReachError('ERR_REACH_DECODE', `no ${SCHEMA}`)
  return {
    ways: reader.objects('ways', MAX_WAYS).map(parseWay),
    addresses: reader.objects('addresses', MAX_ADDRESSES).map((item) => ({
      relay: item.text('relay', 300),
      ips: item.texts('ips', MAX_IPS).filter(isIp),
    })),
  }
}

function parseWay(item: JsonReader): KnownWay {
  const legs = item.optional('legs', (one) => one.text('legs', 16))
  const keepaliveMs = item.optional('keepaliveMs', (one) => one.count('keepaliveMs'))
  return {
    network: item.text('network', 300),
    relay: item.text('relay', 300),
    way: item.text('way', 64),
    usedMs: item.count('usedMs'),
    ...(legs === 'plain' || legs === 'tls' ? { legs } : {}),
    ...(keepaliveMs === undefined ? {} : { keepaliveMs }),
  }
}
