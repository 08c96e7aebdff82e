import type { NatBehavior } from '../../base/nat-behavior.ts'
import { sameAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { MAX_ANNOUNCED } from './punch-message.ts'
import type { PunchMessage } from './punch-message.ts'
import { traitsOf } from './punch-recipe.ts'

/** Ours: RFC 6056 and RFC 4787 §4.2.2 leave 1024 to 65535 to a NAT. */
const FULL_RANGE = { min: 1024, max: 65_535 }
/** Ours: 32 samples of a block leave out a 33rd of it at each end on average; a 16th covers most. */
const WIDENING = 16

/**
 * What a side announces of a round.
 * @param seen how STUN servers saw the sockets that asked, in the order in which they were opened
 * @param freshPort the local port of a socket that has sent nothing yet: a NAT that preserves ports gives it to the first
 *   destination, which must be the peer
 */
export function announce(
  round: number,
  ours: NatBehavior,
  seen: readonly TransportAddress[],
  freshPort: number | undefined,
): PunchMessage {
  const addresses: TransportAddress[] = []
  const add = (address: TransportAddress) => {
    if (!addresses.some((known) => sameAddress(known, address))) addresses.push(address)
  }
  const { isSequential } = traitsOf(ours)
  if (freshPort !== undefined) for (const { ip } of seen) add({ ...FIRST(seen), ip, port: freshPort })
  // The last port is where a sequence goes on.
  const [told] = isSequential ? seen.slice(-1) : seen
  if (told !== undefined) add(told)
  for (const address of seen) if (address.ip !== told?.ip) add(address)
  return {
    kind: 'ready',
    round,
    addresses: addresses.slice(0, MAX_ANNOUNCED),
    ...rangeOf(ours, seen),
    step: isSequential ? (ours.ports?.step ?? 1) : 0,
  }
}

function FIRST(seen: readonly TransportAddress[]): TransportAddress {
  const [first] = seen
  if (first === undefined) throw new RangeError('nothing was seen')
  return first
}

function rangeOf(ours: NatBehavior, seen: readonly TransportAddress[]): { min: number; max: number } {
  const { min: knownMin, max: knownMax } = ours.ports ?? {}
  if (ours.portAllocation !== 'block') return FULL_RANGE
  const ports = seen.map(({ port }) => port)
  const min = Math.min(knownMin ?? 65_535, ...ports)
  const max = Math.max(knownMax ?? 0, ...ports)
  if (min > max) return FULL_RANGE
  const margin = Math.ceil((max - min) / WIDENING)
  return { min: Math.max(1, min - margin), max: Math.min(65_535, max + margin) }
}
