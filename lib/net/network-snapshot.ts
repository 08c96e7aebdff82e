import type { Gateway, NetworkInterface } from '../base/runtime.ts'
import { ipScope } from '../base/ip-range.ts'

/** What of a network decides how this host is reached. */
export interface NetworkSnapshot {
  readonly interfaces: readonly NetworkInterface[]
  readonly gateways: readonly Gateway[]
}

/** Both clocks at one moment. */
export interface ClockReading {
  readonly monotonicMs: number
  readonly wallMs: number
}

export type NetworkChange =
  | {
      readonly kind: 'addresses'
      readonly before: readonly NetworkInterface[]
      readonly after: readonly NetworkInterface[]
    }
  | { readonly kind: 'gateways'; readonly before: readonly Gateway[]; readonly after: readonly Gateway[] }
  /** The host slept, or this process stood still: mappings, leases and connections may be gone. */
  | {
      readonly kind: 'slept'
      readonly before: ClockReading
      readonly after: ClockReading
      readonly sleptMs: number
    }

/**
 * What changed between two snapshots; order does not count. Loopback and link-local addresses are left out: they come
 * and go with every container on the host, and nobody is reached from outside by them.
 */
export function diffNetwork(before: NetworkSnapshot, after: NetworkSnapshot): readonly NetworkChange[] {
  const changes: NetworkChange[] = []
  if (!isSameSet(addressKeys(before), addressKeys(after))) {
    changes.push({ kind: 'addresses', before: before.interfaces, after: after.interfaces })
  }
  if (!isSameSet(gatewayKeys(before), gatewayKeys(after))) {
    changes.push({ kind: 'gateways', before: before.gateways, after: after.gateways })
  }
  return changes
}

/** Ours: a tick this much later than asked for was no busy event loop. */
const LATE_FACTOR = 1.5

/**
 * Whether the host slept between two ticks that should lie `intervalMs` apart. Some systems stop the monotonic clock
 * while they sleep (Linux), some don't (Windows): so either clock may tell. A wall clock set forward looks the same and
 * costs one needless look around; one set back is ignored.
 */
export function detectSleep(
  before: ClockReading,
  after: ClockReading,
  intervalMs: number,
): NetworkChange | undefined {
  const elapsedMs = Math.max(after.wallMs - before.wallMs, after.monotonicMs - before.monotonicMs)
  if (elapsedMs <= intervalMs * LATE_FACTOR) return undefined
  return { kind: 'slept', before, after, sleptMs: elapsedMs - intervalMs }
}

function addressKeys(snapshot: NetworkSnapshot): ReadonlySet<string> {
  const keys = snapshot.interfaces.flatMap((each) =>
    each.addresses
      .filter((address) => !['loopback', 'link-local'].includes(ipScope(address.ip)))
      .map((address) => `${each.name} ${address.ip}/${address.prefixLength}`),
  )
  return new Set(keys)
}

function gatewayKeys(snapshot: NetworkSnapshot): ReadonlySet<string> {
  return new Set(snapshot.gateways.map((each) => `${each.interfaceName} ${each.ip} ${each.metric}`))
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((key) => b.has(key))
}
