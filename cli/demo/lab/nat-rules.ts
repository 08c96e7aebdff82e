import type { PortAllocation, RequiredBehavior } from './ground-truth.ts'

/** Ports from `min` to `max`, both included. */
export interface PortRange {
  readonly min: number
  readonly max: number
}

/**
 * What an address translator does to UDP, in the words of RFC 4787, as far as Linux can be made to do it. Each variant
 * says on which kernel behaviour it relies (read in net/netfilter/nf_nat_core.c).
 */
export type NatRules = Translation & { readonly filtering: RequiredBehavior }

export type Translation =
  /**
   * `preserving`: plain masquerading. Linux translates per flow, but keeps the source port while the resulting flow is
   * unique, whatever the destination: from outside that is endpoint-independent. A port already taken towards the same
   * destination, by a second host or by an early packet from there, is changed.
   * With a range: the first flow of a socket gets a random port in it; the next ones find that translation by their
   * source (`find_appropriate_src`) and share it.
   */
  | {
      readonly mapping: 'endpoint-independent'
      readonly ports: 'preserving' | PortRange
      /**
       * Whether a packet from inside to an outside address of the NAT comes back in, with an outside source (RFC 4787
       * §6). The filter does not apply to it.
       * @default false
       */
      readonly hairpin?: boolean
    }
  /**
   * The destination address modulo {@link DESTINATION_BUCKETS} picks one of as many port ranges; within it the
   * translation is found by source, as above. Two destinations that are equal modulo that share a mapping.
   */
  | { readonly mapping: 'address-dependent' }
  /**
   * `random`: `fully-random` skips the look-up by source, so each flow gets a port of its own out of 64,512.
   * With a range: the same inside a block of ports, as carriers give to a subscriber (RFC 6888).
   */
  | { readonly mapping: 'address-and-port-dependent'; readonly ports: 'random' | PortRange }
  /** Each flow gets the port `step` above the last one's; after `count` flows it starts again at `first`. */
  | { readonly mapping: 'address-and-port-dependent'; readonly ports: PortSequence }

export interface PortSequence {
  readonly first: number
  readonly step: number
  readonly count: number
}

/** Ours: a power of two, so that a mask picks the bucket; 64 keeps neighbouring test servers apart. */
export const DESTINATION_BUCKETS = 64

/** Ours: where the buckets begin, and their size. They end below 16384: see TRANSLATED_PORTS in site-kinds.ts. */
export const FIRST_BUCKET_PORT = 2_048
export const BUCKET_PORTS = 200

/** What a test from outside sees of the port numbers. */
export function portAllocationOf(rules: Translation): PortAllocation {
  switch (rules.mapping) {
    case 'endpoint-independent':
      return rules.ports === 'preserving' ? { kind: 'preserving' } : allocationIn(rules.ports)
    case 'address-dependent':
      return { kind: 'random' }
    case 'address-and-port-dependent': {
      if (rules.ports === 'random') return { kind: 'random' }
      return 'step' in rules.ports
        ? { kind: 'sequential', step: rules.ports.step }
        : allocationIn(rules.ports)
    }
  }
}

/** Ours: a range smaller than this is a port block; RFC 7422 and carriers speak of blocks of 64 to some thousands. */
const MAX_BLOCK_PORTS = 4_096

function allocationIn(range: PortRange): PortAllocation {
  return range.max - range.min < MAX_BLOCK_PORTS ? { kind: 'block', ...range } : { kind: 'random' }
}
