import { unreachable } from '../../../lib/base/exhaustive.ts'
import type { GatewayOptions } from './gateway.ts'
import type { SiteRecipe } from './site-kinds.ts'
import { CARRIER_LAN, CARRIER_SUBSCRIBER_IP, type SitePlan } from './site-plan.ts'

/** What a site is built of. */
export interface SiteLayout {
  /** From the internet inwards. */
  readonly gateways: readonly SiteGateway[]
  readonly hostIps: readonly string[]
}

export interface SiteGateway {
  /** What it is to the host, for its name. */
  readonly role: 'carrier' | 'gateway'
  readonly options: Omit<GatewayOptions, 'behind'>
}

/** The routers and addresses that make a recipe. */
export function siteLayout(recipe: SiteRecipe, plan: SitePlan): SiteLayout {
  switch (recipe.shape) {
    case 'offline':
      return { gateways: [], hostIps: [] }
    case 'public':
      return { gateways: [], hostIps: plan.publicIps }
    case 'firewalled':
      return { gateways: [{ role: 'gateway', options: publicFirewall(plan) }], hostIps: [plan.routedIp] }
    case 'ipv6-only': {
      const options = {
        wan: [plan.wanIpv6],
        lan: [plan.lanIpv6],
        nat: 'none',
        publicPrefixes: [plan.prefixIpv6],
      } as const
      return { gateways: [{ role: 'gateway', options }], hostIps: [plan.hostIpv6] }
    }
    case 'home':
      return homeLayout(recipe, plan)
    default:
      return unreachable(recipe)
  }
}

/** The firewall routes one public address to its inside, where its own is the host's gateway. */
function publicFirewall({ publicIps, routedIp }: SitePlan): SiteGateway['options'] {
  return {
    wan: publicIps,
    lan: publicIps.map((ip) => `${ip}/24`),
    access: 'routed',
    nat: 'none',
    publicPrefixes: [`${routedIp}/32`],
  }
}

function homeLayout(recipe: Extract<SiteRecipe, { shape: 'home' }>, plan: SitePlan): SiteLayout {
  const { nat, carrier, egress = { kind: 'all' }, hasIpv6 = false } = recipe
  if (carrier !== undefined && hasIpv6)
    throw new RangeError('a home behind a carrier NAT has no IPv6 in this lab')
  const wan = carrier === undefined ? plan.publicIps : [CARRIER_SUBSCRIBER_IP]
  const home: SiteGateway = {
    role: 'gateway',
    options: {
      wan: hasIpv6 ? [...wan, plan.wanIpv6] : wan,
      lan: hasIpv6 ? [plan.lan, plan.lanIpv6] : [plan.lan],
      publicPrefixes: hasIpv6 ? [plan.prefixIpv6] : [],
      nat,
      egress,
    },
  }
  const outside: SiteGateway | undefined =
    carrier === undefined
      ? undefined
      : {
          role: 'carrier',
          options: { wan: plan.publicIps, lan: [CARRIER_LAN], access: 'routed', nat: carrier },
        }
  return {
    gateways: outside === undefined ? [home] : [outside, home],
    hostIps: hasIpv6 ? [plan.hostIp, plan.hostIpv6] : [plan.hostIp],
  }
}
