import { ReachError } from '../../base/errors.ts'
import { unreachable } from '../../base/exhaustive.ts'
import { ipScope } from '../../base/ip-range.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { FailureCause, MappingProof, ProofFacts, UnprovenReason } from './mapping-proof.ts'

/** What a gateway's outer address says of the NATs around it; undefined: nothing, it is a public one. */
export function layerOf(externalIp: string): 'carrier-nat' | 'second-nat' | undefined {
  switch (ipScope(externalIp)) {
    case 'shared':
      return 'carrier-nat'
    case 'global':
      return undefined
    // RFC 6886 §3.2: a gateway without an address says 0.0.0.0.
    case 'unspecified':
    case 'private':
    case 'link-local':
    case 'unique-local':
    case 'reserved':
    case 'multicast':
    case 'loopback':
      return 'second-nat'
  }
}

/** The likely cause of a failed proof: what the addresses tell comes first, for it names the layer. */
export function likelyCause({ relayHeard, externalIp, seenAs }: ProofFacts): FailureCause {
  // Where both agree there is nothing between gateway and relay, whatever kind of address it is.
  if (externalIp !== undefined && externalIp !== seenAs) return layerOf(externalIp) ?? 'other-address'
  switch (relayHeard) {
    case 'refused':
      return 'refused'
    case 'accepted':
      return 'other-host'
    case 'sent':
    case 'timed-out':
    case 'unreachable':
    case 'failed':
      return 'silence'
    default:
      return unreachable(relayHeard)
  }
}

/** A failed proof as the error that whoever asked for the mapping gets. */
export function unreachableMapping(
  { cause, facts, relay }: Extract<MappingProof, { readonly proof: 'failed' }>,
  mapping: { readonly internal: TransportAddress; readonly externalPort: number },
): ReachError {
  const { transport } = mapping.internal
  const at = formatAddress({ ip: facts.seenAs, port: mapping.externalPort })
  return new ReachError(
    'ERR_REACH_MAPPING_UNREACHABLE',
    `the gateway granted ${transport} port ${mapping.externalPort}, but nothing comes in at ${at}: ${reason(cause, facts)}`,
    {
      hint: causeHint(cause, transport),
      details: { cause, relay, externalPort: mapping.externalPort, ...facts },
    },
  )
}

function reason(cause: FailureCause, { externalIp, seenAs }: ProofFacts): string {
  switch (cause) {
    case 'carrier-nat':
      return `the gateway’s own address ${externalIp} is one of a carrier’s NAT, which forwards nothing`
    case 'second-nat':
      return `the gateway’s own address ${externalIp} is not a public one, so it stands behind a second NAT`
    case 'other-address':
      return `the gateway calls itself ${externalIp}, but this host goes out as ${seenAs}: another NAT or uplink is in between`
    case 'refused':
      return 'somebody on the way answers that the port is closed'
    case 'other-host':
      return 'somebody else answers there'
    case 'silence':
      return 'it is dropped on the way'
    default:
      return unreachable(cause)
  }
}

/** What a person can change about a cause. */
export function causeHint(cause: FailureCause, transport: TransportAddress['transport']): string {
  switch (cause) {
    case 'carrier-nat':
      return 'ask the provider for a public IPv4 address, or use IPv6; peers still reach each other through the relay'
    case 'second-nat':
      return 'forward the port in the outer router, too, or set the inner one to bridge mode'
    case 'other-address':
      return 'use the uplink that the gateway maps, or ask the provider whether there is a NAT further out'
    case 'refused':
      return `open the ${transport} port in the firewall of this host; if it is open, start the router anew`
    case 'other-host':
      return 'remove the port forward to another host in the router, or ask for another port with --external'
    case 'silence':
      return `open the ${transport} port in the firewall of this host; if it is open, start the router anew: some list mappings and forward nothing`
    default:
      return unreachable(cause)
  }
}

/** What a person can do to get a proof. */
export function proofHint(why: UnprovenReason): string {
  switch (why) {
    case 'no-relay':
      return 'a relay of your network proves it: join one with  p2p-reach join STRING, or check that its relay is up'
    case 'relay-too-old':
      return 'update the relay: it does not know how to prove a port'
    case 'relay-inside':
      return 'the relay stands on this side of the gateway: use one that is on the internet'
    case 'rate-limited':
      return 'wait some seconds and try again: a relay proves one port each second'
    case 'relay-failed':
      return 'the relay did not answer: try again in a moment'
    case 'port-in-use':
      return 'stop the program that has the port for a moment, and map it again'
    default:
      return unreachable(why)
  }
}
