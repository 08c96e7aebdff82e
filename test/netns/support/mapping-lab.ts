import test, { type ExecutionContext } from 'ava'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'
import type { NatRules } from '../../../cli/demo/lab/nat-rules.ts'
import type { Router } from '../../../cli/demo/lab/router.ts'
import type { Site } from '../../../cli/demo/lab/site.ts'
import { openSite } from '../../../cli/demo/lab/site.ts'
import { supportScript } from './agents.ts'
import type { LeaseAgentOptions } from './lease-agent.ts'
import type { MiniupnpdOptions } from './miniupnpd.ts'
import { Miniupnpd, missingMappingTools } from './miniupnpd.ts'
import { netnsTest } from './netns-test.ts'
import { RunningProgram } from './running-program.ts'
import { folderOf } from './test-folder.ts'

/** A home of the lab: two hosts behind a gateway with a miniupnpd, and a host out on the internet. */
export interface MappingHome {
  readonly lab: NetnsLab
  readonly internet: Router
  readonly site: Site
  readonly host: LabNode
  /** A neighbour of the host: 192.168.1.11. */
  readonly neighbour: LabNode
  readonly outside: LabNode
  readonly router: Miniupnpd
}

/** How a home is built. */
export interface MappingHomeOptions extends MiniupnpdOptions {
  /** A carrier's NAT outside of the home's. @default none */
  readonly carrier?: NatRules
}

/** Plain masquerading behind a firewall that lets in answers only. */
export const MASQUERADE: NatRules = {
  mapping: 'endpoint-independent',
  ports: 'preserving',
  filtering: 'address-and-port-dependent',
}

/** The home's address outside, the gateway's inside, and the hosts'. */
export const WAN_IP = '203.0.113.50'
export const GATEWAY_IP = '192.168.1.1'
export const HOST_IP = '192.168.1.10'
export const NEIGHBOUR_IP = '192.168.1.11'

/** A test in a lab of its own; skipped where labs or the programs around miniupnpd are missing. */
export function mappingTest(
  title: string,
  body: (t: ExecutionContext, lab: NetnsLab) => Promise<void>,
): void {
  const missing = missingMappingTools()
  if (missing === undefined) netnsTest(title, body)
  else {
    test(title, (t) => {
      t.log(`skipped: ${missing}`)
      t.pass()
    })
  }
}

/** Sets up a home with its miniupnpd running. */
export async function openHome(
  t: ExecutionContext,
  lab: NetnsLab,
  options: MappingHomeOptions = {},
): Promise<MappingHome> {
  const { carrier, ...daemon } = options
  const internet = await lab.internet()
  const outside = await lab.host('outside', { at: internet, ips: ['203.0.113.9', '2001:db8:0:1::9'] })
  const recipe = {
    shape: 'home',
    nat: MASQUERADE,
    ...(carrier === undefined ? { hasIpv6: true } : { carrier }),
  } as const
  const site = await openSite(lab, internet, recipe, { number: 1 })
  const [gateway] = site.gateways
  if (gateway === undefined) throw new Error('a home has a gateway')
  const neighbour = await lab.host('neighbour', { at: gateway, ips: [NEIGHBOUR_IP] })
  const router = await Miniupnpd.start(gateway, await folderOf(t), daemon)
  return { lab, internet, site, host: site.host, neighbour, outside, router }
}

/** A lease in a process of its own on a host of the lab. */
export class LeaseAgent {
  readonly program: RunningProgram

  constructor(host: LabNode, options: LeaseAgentOptions) {
    this.program = new RunningProgram(
      host.spawn(process.execPath, [supportScript('lease-agent.js'), JSON.stringify(options)]),
    )
  }

  /** Resolves with the external port once the lease is active (again). */
  async active(): Promise<number> {
    const match = await this.program.waitForLine(/"kind":"active".*?"externalPort":(\d+)/)
    return Number(match[1])
  }

  /** Answers the next question for a proof. */
  async prove(answer: 'proven' | 'failed'): Promise<void> {
    await this.program.waitForLine(/^prove \d+$/)
    this.program.say(answer)
  }

  /** Removes the mapping and ends. */
  async close(): Promise<void> {
    this.program.say('close')
    await this.program.ended
  }
}
