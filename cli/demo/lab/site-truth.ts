import { unreachable } from '../../../lib/base/exhaustive.ts'
import type { Egress } from './gateway-ruleset.ts'
import type { FamilyTruth, SiteTruth } from './ground-truth.ts'
import { portAllocationOf, type NatRules } from './nat-rules.ts'
import type { SiteRecipe } from './site-kinds.ts'
import type { SitePlan } from './site-plan.ts'

const OFFLINE: SiteTruth = { ipv4: undefined, ipv6: undefined, natLayers: 0, cgn: false, routersToServer: 0 }

/** What is true of a host joined by this recipe, with these addresses. */
export function siteTruth(recipe: SiteRecipe, plan: SitePlan): SiteTruth {
  switch (recipe.shape) {
    case 'public':
      return { ...OFFLINE, ipv4: untranslated('none', plan.publicIps), routersToServer: 1 }
    case 'firewalled':
      return {
        ...OFFLINE,
        ipv4: untranslated('address-and-port-dependent', [plan.routedIp]),
        routersToServer: 2,
      }
    case 'home': {
      const hasCarrier = recipe.carrier !== undefined
      return {
        ipv4: limitedTo(
          recipe.egress ?? { kind: 'all' },
          translated(recipe.nat, recipe.carrier, plan.publicIps),
        ),
        ipv6: recipe.hasIpv6 === true ? firewalledIpv6(plan) : undefined,
        natLayers: hasCarrier ? 2 : 1,
        cgn: hasCarrier,
        routersToServer: hasCarrier ? 3 : 2,
      }
    }
    case 'ipv6-only':
      return { ...OFFLINE, ipv6: firewalledIpv6(plan), routersToServer: 2 }
    case 'offline':
      return OFFLINE
    default:
      return unreachable(recipe)
  }
}

function untranslated(filtering: FamilyTruth['filtering'], publicIps: readonly string[]): FamilyTruth {
  return {
    udpWorks: true,
    tcpPorts: 'all',
    mapping: 'none',
    filtering,
    portAllocation: { kind: 'preserving' },
    hairpin: 'unknown', // nothing to turn round at: the host's own address does not leave the host
    publicIps,
  }
}

function firewalledIpv6(plan: SitePlan): FamilyTruth {
  return untranslated('address-and-port-dependent', [plan.hostIpv6])
}

function translated(
  home: NatRules,
  carrier: NatRules | undefined,
  publicIps: readonly string[],
): FamilyTruth {
  const layers = carrier === undefined ? [home] : [home, carrier]
  const outermost = carrier ?? home
  return {
    udpWorks: true,
    tcpPorts: 'all',
    // One layer that depends on the destination is enough; the outermost one picks the port that others see.
    mapping: strictest(layers.map((rules) => rules.mapping)),
    filtering: strictest(layers.map((rules) => rules.filtering)),
    portAllocation: portAllocationOf(outermost),
    hairpin: outermost.mapping === 'endpoint-independent' && outermost.hairpin === true,
    publicIps,
  }
}

/** From lax to strict. */
const STRICTNESS = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const

function strictest(behaviors: readonly NatRules['mapping'][]): NatRules['mapping'] {
  const ranks = behaviors.map((behavior) => STRICTNESS.indexOf(behavior))
  return STRICTNESS[Math.max(...ranks)] ?? 'endpoint-independent'
}

function limitedTo(egress: Egress, truth: FamilyTruth): FamilyTruth {
  const withoutUdp = {
    ...truth,
    udpWorks: false,
    mapping: 'unknown',
    filtering: 'unknown',
    portAllocation: { kind: 'unknown' },
    hairpin: 'unknown',
  } as const
  switch (egress.kind) {
    case 'all':
      return truth
    case 'no-udp':
      return withoutUdp
    case 'tcp-ports':
      return { ...withoutUdp, tcpPorts: egress.ports }
    case 'none':
      return { ...withoutUdp, tcpPorts: [], publicIps: [] }
    default:
      return unreachable(egress)
  }
}
