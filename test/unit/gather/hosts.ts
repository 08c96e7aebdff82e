import type { Gateway, NetworkInterface } from '../../../lib/base/runtime.ts'
import type { HostNetworks } from '../../../lib/net/host-networks.ts'

/** A host from `name: 'ip/length ip/length'`; gateways as names, best first, for the families that the interface has. */
export function aHost(
  table: Readonly<Record<string, string>>,
  {
    gateways = [],
    sources = [],
  }: { readonly gateways?: readonly string[]; readonly sources?: readonly string[] } = {},
): HostNetworks {
  const interfaces = Object.entries(table).map(([name, text]) => anInterface(name, text))
  return {
    interfaces,
    sources,
    gateways: gateways.flatMap((name, metric) => gatewaysOf(interfaces, name, metric)),
  }
}

function anInterface(name: string, text: string): NetworkInterface {
  const addresses = text.split(' ').map((each) => {
    const [ip = '', length] = each.split('/')
    const isIpv6 = ip.includes(':')
    return {
      family: isIpv6 ? 'ipv6' : 'ipv4',
      ip,
      prefixLength: Number(length ?? (isIpv6 ? 64 : 24)),
    } as const
  })
  return { name, addresses }
}

function gatewaysOf(
  interfaces: readonly NetworkInterface[],
  interfaceName: string,
  metric: number,
): Gateway[] {
  const families = interfaces
    .find(({ name }) => name === interfaceName)
    ?.addresses.map(({ family }) => family)
  return [...new Set(families)].map((family) => ({
    ...{ family, interfaceName, metric },
    ip: family === 'ipv4' ? '192.168.1.1' : `fe80::1%${interfaceName}`,
  }))
}

/** A laptop at home with containers, virtual machines and a mesh VPN, each of them idle. */
export const BUSY_LAPTOP = aHost(
  {
    lo: '127.0.0.1/8 ::1/128',
    docker0: '172.17.0.1/16 fe80::42%docker0',
    'br-0123456789ab': '172.18.0.1/16 fd00:18::1',
    veth12ab34c: 'fe80::99%veth12ab34c',
    virbr0: '192.168.122.1/24',
    tailscale0: '100.101.102.103/32 fd7a:115c:a1e0::1/128',
    wg0: '10.8.0.3/32',
    wlan0: '192.168.1.20/24 2001:db8:1::20 2001:db8:1::abcd fd12::20 fe80::20%wlan0',
  },
  { gateways: ['wlan0'], sources: ['192.168.1.20', '2001:db8:1::abcd'] },
)
