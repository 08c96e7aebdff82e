import { isIpv6 } from './address-plan.ts'
import { LAN_INTERFACE } from './gateway-ruleset.ts'
import { LabNode } from './lab-node.ts'
import { addressLine, linkPlan, type Access, type Attachment } from './link-plan.ts'
import type { Namespace } from './namespace.ts'

/** For the namespaces of all machines of a lab. */
export const NODE_SETTINGS: Readonly<Record<string, string>> = {
  // Nobody else is on our cables: addresses can be used at once (RFC 4862 §5.4).
  'ipv6/conf/all/accept_dad': '0',
  'ipv6/conf/default/accept_dad': '0',
  // Hosts with two addresses or two cables: what comes in is judged by the filters of the lab alone (RFC 3704).
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
}

/** For the namespaces of routers. */
export const ROUTER_SETTINGS: Readonly<Record<string, string>> = {
  ...NODE_SETTINGS,
  'ipv4/ip_forward': '1',
  'ipv6/conf/all/forwarding': '1',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/default/send_redirects': '0',
  // Path tracing sends a burst of packets that expire; by default only one answer a second goes to each host (icmp(7)).
  'ipv4/icmp_ratelimit': '0',
  'ipv6/icmp/ratelimit': '0',
  // br_netfilter, where present, would run frames between neighbours of one LAN through the router's IP filters.
  '-bridge/bridge-nf-call-iptables': '0',
  '-bridge/bridge-nf-call-ip6tables': '0',
}

/** A router: what hangs on it reaches the rest of the lab through it. Answers pings and expired packets. */
export class Router extends LabNode {
  readonly #access: Access
  #ports = 0

  constructor(namespace: Namespace, access: Access) {
    super(namespace)
    this.#access = access
  }

  /**
   * Runs a cable to a node and sets up both ends: addresses, and default routes through this router.
   * @throws {ReachError} ERR_REACH_LAB; {RangeError} when an address is in none of the router's prefixes
   */
  async attach(node: LabNode, attachment: Attachment): Promise<Link> {
    const port = `port${++this.#ports}`
    const plan = linkPlan(this.#access, port, attachment)
    const { interfaceName = 'eth0' } = attachment
    // Made on this side with its other end put straight into the node: it never exists in the machine's own namespace.
    const create = `link add ${port} type veth peer name ${interfaceName} netns ${node.namespace.pid}`
    await this.namespace.ip([create, ...plan.router])
    await node.namespace.ip(plan.node)
    return new Link(this, port, plan.router)
  }
}

/** Commands for `ip -batch` that give a router its own inside addresses. */
export function accessSetup({ kind, prefixes }: Access): string[] {
  switch (kind) {
    case 'bridged':
      return [
        // Snooping would withhold multicasts (SSDP, PCP announcements) until a querier turns up.
        `link add ${LAN_INTERFACE} type bridge mcast_snooping 0`,
        `link set ${LAN_INTERFACE} up`,
        ...prefixes.map(({ ip, bits }) => addressLine(ip, bits, LAN_INTERFACE)),
      ]
    case 'routed':
      // Addresses on the loopback interface are answered for on every cable, and are the source of ICMP errors.
      return prefixes.map(({ ip }) => addressLine(ip, isIpv6(ip) ? 128 : 32, 'lo'))
  }
}

/** The cable (a veth pair) from a router's port to what hangs on it. */
export class Link {
  readonly #router: LabNode
  readonly #port: string
  readonly #replug: readonly string[]

  /** @param replug commands that set up the router's end */
  constructor(router: LabNode, port: string, replug: readonly string[]) {
    this.#router = router
    this.#port = port
    this.#replug = replug
  }

  /** Pulls the cable at the router: the node keeps its addresses and routes, and sees that the carrier is gone. */
  async unplug(): Promise<void> {
    await this.#router.namespace.ip([`link set ${this.#port} down`])
  }

  /** Plugs it in again, as it was. */
  async plug(): Promise<void> {
    await this.#router.namespace.ip(this.#replug)
  }

  /** Removes the cable; the node may then be attached elsewhere. */
  async remove(): Promise<void> {
    await this.#router.namespace.ip([`link del ${this.#port}`])
  }
}
