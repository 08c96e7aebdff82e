import { ReachError } from '../../base/errors.ts'
import type { JsonReader } from '../../base/json-reader.ts'
import type { NatBehavior, PortAllocationDetail } from '../../base/nat-behavior.ts'
import { ENDPOINT_DEPENDENCES, PORT_ALLOCATIONS } from '../../base/nat-behavior.ts'
import { MAX_PORT } from '../../base/transport-address.ts'
import type { PeerNetwork } from '../ice/pair-prediction.ts'

/** What a peer says of its network over one address family. */
export interface NatSummary extends PeerNetwork {
  /** As STUN servers saw it; several where the NAT uses several. */
  readonly publicIps: readonly string[]
}

type Fields = Readonly<Record<string, unknown>>

const DEPENDENCES = [...ENDPOINT_DEPENDENCES, 'unknown'] as const
const ALLOCATIONS = [...PORT_ALLOCATIONS, 'unknown'] as const
const MAX_STEP = 1024

/** A network as fields of a JSON object. */
export function networkFields({ behavior, udpWorks }: PeerNetwork): Fields {
  const { mapping, filtering, portAllocation, ports } = behavior
  const detail = ports === undefined ? {} : { ports: { ...ports } }
  return { mapping, filtering, portAllocation, ...detail, udpWorks }
}

/** @throws {ReachError} ERR_REACH_DECODE for words that are none of ours */
export function readNetwork(reader: JsonReader): PeerNetwork {
  return { behavior: readBehavior(reader), udpWorks: reader.flag('udpWorks') }
}

/** The same, where nobody gains from a refusal: what can't be read says nothing. */
export function readNetworkIfKnown(outer: JsonReader, field: string): PeerNetwork | undefined {
  try {
    return readNetwork(outer.object(field))
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined
    throw error
  }
}

/** What of a network those may know who have no session with us: no address, and of ports what a prediction needs. */
export function networkForOthers({ behavior, udpWorks }: PeerNetwork): PeerNetwork {
  const { mapping, filtering, portAllocation } = behavior
  const ports = portsForOthers(behavior)
  return {
    behavior: { mapping, filtering, portAllocation, ...(ports === undefined ? {} : { ports }) },
    udpWorks,
  }
}

function portsForOthers({ portAllocation, ports }: NatBehavior): PortAllocationDetail | undefined {
  if (portAllocation === 'sequential' && ports?.step !== undefined) return { step: ports.step }
  if (portAllocation !== 'block' || ports?.min === undefined || ports.max === undefined) return undefined
  // How many there are, not which: a carrier gives each block to one customer.
  return { min: 1, max: ports.max - ports.min + 1 }
}

function readBehavior(reader: JsonReader): NatBehavior {
  const ports = reader.optional('ports', (fields) => readPorts(fields.object('ports')))
  return {
    mapping: oneOf(DEPENDENCES, reader.text('mapping', 32)),
    filtering: oneOf(DEPENDENCES, reader.text('filtering', 32)),
    portAllocation: oneOf(ALLOCATIONS, reader.text('portAllocation', 32)),
    ...(ports === undefined ? {} : { ports }),
  }
}

function readPorts(reader: JsonReader): PortAllocationDetail {
  const step = reader.optional('step', (fields) => fields.integer('step'))
  const min = reader.optional('min', (fields) => fields.count('min'))
  const max = reader.optional('max', (fields) => fields.count('max'))
  if (step !== undefined && Math.abs(step) > MAX_STEP) throw wrong('a step between ports')
  if ((min ?? 1) < 1 || (max ?? MAX_PORT) > MAX_PORT || (min ?? 1) > (max ?? MAX_PORT)) throw wrong('ports')
  return {
    ...(step === undefined ? {} : { step }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  }
}

/** The word as it stands in our list: a text out of a frame would keep the whole frame in memory. */
function oneOf<T extends string>(words: readonly T[], text: string): T {
  const word = words.find((one) => one === text)
  if (word === undefined) throw wrong(`a behaviour ${JSON.stringify(text)}`)
  return word
}

function wrong(what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `a NAT with ${what} that is none`)
}
