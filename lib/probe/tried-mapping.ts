import { measured } from '../base/fact.ts'
import type { MappingProtocol } from '../protocol/port-mapping/mapping.ts'
import type { MappingProof } from '../protocol/port-mapping/mapping-proof.ts'
import type { MappingTrial } from '../protocol/port-mapping/mapping-trial.ts'
import type { PortMappingPresence } from './port-mapping-presence.ts'
import type { PortMappingFact } from './report.ts'

const NAMES: Readonly<Record<MappingProtocol, keyof PortMappingPresence>> = {
  pcp: 'pcp',
  'nat-pmp': 'natPmp',
  upnp: 'upnp',
}

/** The presence of the services, with what a mapping that was tried says of the one that made it. */
export function withTrial(
  presence: PortMappingPresence,
  trial: MappingTrial | undefined,
): PortMappingPresence {
  if (trial?.kind !== 'granted') return presence
  const name = NAMES[trial.grant.protocol]
  return { ...presence, [name]: triedFact(presence[name], trial) }
}

function triedFact(
  before: PortMappingFact,
  { grant, proof }: Extract<MappingTrial, { readonly kind: 'granted' }>,
): PortMappingFact {
  const { gatewayIp, externalIp = before.externalAddress } = grant
  const about = {
    gateway: gatewayIp,
    ...(externalIp === undefined ? {} : { externalAddress: externalIp }),
    proven:
      proof?.proof === undefined || proof.proof === 'unproven'
        ? ('unknown' as const)
        : proof.proof === 'proven',
  }
  const granted = `${gatewayIp} granted ${grant.internal.transport} port ${grant.externalPort} for the time of a test`
  const value = proof?.proof === 'failed' ? 'unreachable-from-outside' : 'available'
  return { ...measured(value, granted, seen(proof)), ...about }
}

function seen(proof: MappingProof | undefined): string {
  switch (proof?.proof) {
    case 'proven':
      return `what ${proof.relay} sent to it came in`
    case 'failed': {
      const { relayHeard, seenAs } = proof.facts
      return `nothing of what ${proof.relay} sent to ${seenAs} came in (${proof.cause}; the relay heard: ${relayHeard})`
    }
    case 'unproven':
      return `nobody could try it from outside (${proof.why})`
    case undefined:
      return 'nobody could try it from outside'
  }
}
