import { ReachError } from '../base/errors.ts'
import { JsonReader } from '../base/json-reader.ts'
import { canonicalIp, transportAddress } from '../base/transport-address.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import { MAPPING_PROTOCOLS } from '../protocol/port-mapping/mapping.ts'

/** What one process has, or may have, at gateways. */
export interface JournalEntry {
  /** What it is of; see `mappingKey`. */
  readonly key: string
  /** Calendar time in milliseconds since 1970 at which the gateway forgets it by itself. */
  readonly expiresAtMs: number
  readonly grant: MappingGrant
}

/** Ours: bounds what a damaged file makes us do. */
const MAX_ENTRIES = 1_024
const MAX_KEPT = 64

const SCHEMA = 'p2p-reach/port-mappings/1'

/** A journal as JSON. */
export function formatJournal(entries: readonly JournalEntry[]): string {
  const written = entries.map(({ key, expiresAtMs, grant }) => {
    const { protocol, gatewayIp, internal, externalPort, lifetimeS, keep } = grant
    const kept = Object.entries(keep).flat()
    return {
      key,
      expiresAtMs,
      grant: { protocol, gatewayIp, internal, externalPort, lifetimeS, keep: kept },
    }
  })
  return `${JSON.stringify({ schema: SCHEMA, entries: written }, undefined, 1)}\n`
}

/** @throws {ReachError} ERR_REACH_DECODE, ERR_REACH_ADDRESS */
export function parseJournal(text: string): readonly JournalEntry[] {
  const reader = JsonReader.parse(text, 'the journal of port mappings')
  if (reader.text('schema') !== SCHEMA)
    throw new ReachError('ERR_REACH_DECODE', `the journal of port mappings is no ${SCHEMA}`)
  return reader.objects('entries', MAX_ENTRIES).map((item) => ({
    key: item.text('key'),
    expiresAtMs: item.count('expiresAtMs'),
    grant: parseGrant(item.object('grant')),
  }))
}

function parseGrant(reader: JsonReader): MappingGrant {
  const name = reader.text('protocol')
  const protocol = MAPPING_PROTOCOLS.find((one) => one === name)
  if (protocol === undefined) throw new ReachError('ERR_REACH_DECODE', `${name} is no mapping protocol`)
  const internal = reader.object('internal')
  const transport = internal.text('transport') === 'tcp' ? 'tcp' : 'udp'
  return {
    protocol,
    gatewayIp: canonicalIp(reader.text('gatewayIp')),
    internal: transportAddress(internal.text('ip'), internal.count('port'), transport),
    externalIp: undefined,
    externalPort: reader.count('externalPort'),
    lifetimeS: reader.count('lifetimeS'),
    keep: pairs(reader.texts('keep', MAX_KEPT)),
  }
}

/** Name, value, name, value, … */
function pairs(texts: readonly string[]): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {}
  for (let index = 0; index + 1 < texts.length; index += 2) {
    const [name = '', value = ''] = texts.slice(index, index + 2)
    kept[name] = value
  }
  return kept
}
