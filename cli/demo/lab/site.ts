import type { Gateway, GatewayOptions } from './gateway.ts'
import type { SiteTruth } from './ground-truth.ts'
import type { LabNode } from './lab-node.ts'
import type { EtcFiles } from './namespace.ts'
import type { NetnsLab } from './netns-lab.ts'
import type { Link, Router } from './router.ts'
import { SITE_RECIPES, type SiteKind, type SiteRecipe } from './site-kinds.ts'
import { siteLayout } from './site-layout.ts'
import { sitePlan } from './site-plan.ts'
import { siteTruth } from './site-truth.ts'

/** One host and the way it is joined to the internet. The lab closes it. */
export interface Site {
  readonly host: LabNode
  /** The host's addresses; none offline. */
  readonly hostIps: readonly string[]
  /** The host's cable; undefined offline. Remove it to attach the host elsewhere. */
  readonly link: Link | undefined
  /** The routers on the way out that belong to the site, the host's own first. */
  readonly gateways: readonly Gateway[]
  readonly truth: SiteTruth
}

/** Changes to the site's innermost gateway; ignored where there is none. */
export type GatewayOverrides = Pick<GatewayOptions, 'wanInput' | 'udpLifetimeS' | 'mtu' | 'pmtuBlackhole'>

export interface SiteOptions extends GatewayOverrides {
  /** Sites of one internet differ in it: from it follow all addresses (see {@link sitePlan}). */
  readonly number: number
  /** Name of the host. @default 'host' and the number */
  readonly name?: string
  /** What the host's programs read in place of /etc/resolv.conf and /etc/hosts. */
  readonly etc?: EtcFiles
  /** n of the home's 192.168.n.0/24; two homes may have the same. @default the site's number */
  readonly lanNumber?: number
}

/**
 * Adds a site to an internet of the lab: the host, and the NATs and firewalls before it.
 * @throws {ReachError} ERR_REACH_LAB
 */
export async function openSite(
  lab: NetnsLab,
  internet: Router,
  kindOrRecipe: SiteKind | SiteRecipe,
  options: SiteOptions,
): Promise<Site> {
  const recipe: SiteRecipe = typeof kindOrRecipe === 'string' ? SITE_RECIPES[kindOrRecipe] : kindOrRecipe
  const { number, name = `host${number}`, lanNumber = number, etc, ...overrides } = options
  const plan = sitePlan(number, lanNumber, recipe.shape === 'home' ? (recipe.poolSize ?? 1) : 1)
  const { gateways: steps, hostIps } = siteLayout(recipe, plan)

  let at = internet
  const gateways: Gateway[] = []
  for (const [index, step] of steps.entries()) {
    const isInnermost = index === steps.length - 1
    const gateway = await lab.gateway(`${step.role} of ${name}`, {
      ...step.options,
      ...(isInnermost ? overrides : {}),
      behind: at,
    })
    gateways.unshift(gateway)
    at = gateway
  }
  const host = await lab.host(name, etc === undefined ? {} : { etc })
  const link = recipe.shape === 'offline' ? undefined : await at.attach(host, { ips: hostIps })
  return { host, hostIps, link, gateways, truth: siteTruth(recipe, plan) }
}
