import type { NatBehavior } from '../../lib/base/nat-behavior.ts'

/** What most homes have: one public port for all destinations, the same as inside; only who was written to may answer. */
export const EASY: NatBehavior = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  portAllocation: 'preserving',
}

/** The strictest: another random port for each destination. */
export const HARD: NatBehavior = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  portAllocation: 'random',
}
