import { writeFileSync } from 'node:fs'
import { ip, Namespace } from './namespace.ts'

/**
 * This namespace as a client behind two routers, and a server behind those:
 *
 *     client .2 ── 192.168.1.0/24 ── .1 first .1 ── 10.0.0.0/24 ── .2 second .1 ── 203.0.113.0/24 ── .9 server
 *            ::2 ─ 2001:db8:1::/64 ─ ::1      ::1 ─ 2001:db8:2::/64 ─ ::2    ::1 ─ 2001:db8:3::/64 ─ ::9
 */
export interface RouterChain {
  readonly server: Namespace
  close(): void
}

export async function makeRouterChain(): Promise<RouterChain> {
  const [first, second, server] = await Promise.all([Namespace.make(), Namespace.make(), Namespace.make()])
  const all = [first, second, server]
  ip('link set lo up')
  for (const each of all) each.ip('link set lo up')
  link('client0', undefined, 'first0', first)
  link('first1', first, 'second0', second)
  link('second1', second, 'server0', server)
  address('client0', undefined, '192.168.1.2/24', '2001:db8:1::2/64')
  address('first0', first, '192.168.1.1/24', '2001:db8:1::1/64')
  address('first1', first, '10.0.0.1/24', '2001:db8:2::1/64')
  address('second0', second, '10.0.0.2/24', '2001:db8:2::2/64')
  address('second1', second, '203.0.113.1/24', '2001:db8:3::1/64')
  address('server0', server, '203.0.113.9/24', '2001:db8:3::9/64')
  for (const router of [first, second]) {
    router.run('sysctl', '-qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
  }
  defaultRoutes(undefined, '192.168.1.1', '2001:db8:1::1')
  defaultRoutes(second, '10.0.0.1', '2001:db8:2::1')
  defaultRoutes(server, '203.0.113.1', '2001:db8:3::1')
  first.ip('route add 203.0.113.0/24 via 10.0.0.2')
  first.ip('-6 route add 2001:db8:3::/64 via 2001:db8:2::2')
  return {
    server,
    close: () => {
      for (const each of all) each.close()
    },
  }
}

/** Joins two namespaces (undefined: this one) by a cable. */
function link(name: string, here: Namespace | undefined, peerName: string, there: Namespace): void {
  ip(`link add ${name} type veth peer name ${peerName}`)
  if (here !== undefined) ip(`link set ${name} netns ${here.pid}`)
  ip(`link set ${peerName} netns ${there.pid}`)
}

function address(name: string, where: Namespace | undefined, ipv4: string, ipv6: string): void {
  const run = (args: string) => (where === undefined ? ip(args) : where.ip(args))
  // Without duplicate address detection, link-local addresses work at once, and routers can answer from the start.
  if (where === undefined) writeFileSync(`/proc/sys/net/ipv6/conf/${name}/accept_dad`, '0')
  else where.run('sysctl', `-qw net.ipv6.conf.${name}.accept_dad=0`)
  run(`addr add ${ipv4} dev ${name}`)
  run(`-6 addr add ${ipv6} dev ${name} nodad`)
  run(`link set ${name} up`)
}

function defaultRoutes(where: Namespace | undefined, ipv4: string, ipv6: string): void {
  const run = (args: string) => (where === undefined ? ip(args) : where.ip(args))
  run(`route add default via ${ipv4} metric 100`)
  run(`-6 route add default via ${ipv6} metric 1024`)
}
