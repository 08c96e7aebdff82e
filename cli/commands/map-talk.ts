import type { LeaseState, MappingProof, ReachError } from '../../lib/index.ts'
import { formatAddress, formatSpan, proofHint } from '../../lib/index.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'

/** A state of a mapping as a JSON line; undefined for those that say nothing new. */
export function stateJson(state: LeaseState): Readonly<Record<string, unknown>> | undefined {
  switch (state.kind) {
    case 'active':
      return readyJson(state)
    case 'restoring':
      return { event: 'restoring', reason: state.reason }
    case 'lost':
      return errorJson(state.error)
    case 'closed':
      return undefined
    default:
      return unreachable(state)
  }
}

/** The same for a person. */
export function stateText(state: LeaseState): readonly string[] {
  switch (state.kind) {
    case 'active':
      return readyText(state)
    case 'restoring':
      return [`the mapping is in doubt (${RESTORE_WORDS[state.reason]}); making it anew`]
    case 'lost':
      return [`the mapping is lost: ${state.error.message}; trying again`]
    case 'closed':
      return []
    default:
      return unreachable(state)
  }
}

type Active = Extract<LeaseState, { readonly kind: 'active' }>

const RESTORE_WORDS = {
  'gateway-reset': 'the gateway has started anew',
  'network-change': 'the network has changed',
  'renewal-failed': 'the gateway did not renew it',
  'other-port': 'the gateway gave another port',
  'proof-failed': 'nothing comes in any more',
  lost: 'it was lost',
} as const

function readyJson({ grant, proof, external }: Active): Readonly<Record<string, unknown>> {
  return {
    event: 'ready',
    transport: grant.internal.transport,
    internal: formatAddress(grant.internal),
    external: external === undefined ? null : formatAddress(external),
    externalPort: grant.externalPort,
    protocol: grant.protocol,
    gateway: grant.gatewayIp,
    lifetimeS: grant.lifetimeS,
    ...proofJson(proof),
  }
}

function proofJson(proof: MappingProof | undefined): Readonly<Record<string, unknown>> {
  switch (proof?.proof) {
    case 'proven':
      return { proof: proof.kind, provenBy: proof.relay }
    case 'failed':
      return { proof: 'failed', cause: proof.cause }
    case 'unproven':
      return { proof: 'unproven', why: proof.why, hint: proofHint(proof.why) }
    case undefined:
      return { proof: 'unproven', why: 'no-relay', hint: proofHint('no-relay') }
    default:
      return unreachable(proof)
  }
}

function readyText({ grant, proof, external }: Active): readonly string[] {
  const { transport } = grant.internal
  const at = external === undefined ? `port ${grant.externalPort} of the gateway` : formatAddress(external)
  const lifetime =
    grant.lifetimeS === 0 ? 'for good, until removed' : `for ${formatSpan(grant.lifetimeS * 1000)}, renewed`
  return [
    `${transport} ${at} leads to ${formatAddress(grant.internal)}`,
    `made by ${PROTOCOL_WORDS[grant.protocol]} at ${grant.gatewayIp}, ${lifetime}`,
    ...proofText(proof),
  ]
}

const PROTOCOL_WORDS = { pcp: 'PCP', 'nat-pmp': 'NAT-PMP', upnp: 'UPnP' } as const

function proofText(proof: MappingProof | undefined): readonly string[] {
  switch (proof?.proof) {
    case 'proven':
      return [`proven from outside: ${KIND_WORDS[proof.kind](proof.relay)}`]
    case 'failed':
      return [`NOT reachable from outside (${proof.cause})`]
    case 'unproven':
      return [`unproven: nobody has tried it from outside (${proof.why})`, proofHint(proof.why)]
    case undefined:
      return [`unproven: nobody has tried it from outside (no-relay)`, proofHint('no-relay')]
    default:
      return unreachable(proof)
  }
}

const KIND_WORDS = {
  received: (relay: string) => `what ${relay} sent there came in`,
  accepted: (relay: string) => `your program took a connection of ${relay}, and did not before the mapping`,
  inferred: (relay: string) =>
    `your program has the port, so a second mapping beside it was tried by ${relay}, and works`,
} as const

function errorJson({ code, message, hint }: ReachError): Readonly<Record<string, unknown>> {
  return { event: 'error', code, message, hint: hint ?? null }
}
