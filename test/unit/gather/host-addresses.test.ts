import test from 'ava'
import type { NetworkInterface } from '../../../lib/base/runtime.ts'
import { hostAddresses } from '../../../lib/gather/host-addresses.ts'

function nic(name: string, ...ips: readonly string[]): NetworkInterface {
  const addresses = ips.map((ip) => {
    const family = ip.includes(':') ? 'ipv6' : 'ipv4'
    return { family, ip, prefixLength: family === 'ipv6' ? 64 : 24 } as const
  })
  return { name, addresses }
}

const LAN = { ipv4: '192.168.1.10', ipv6: undefined }

const HOSTS: readonly {
  readonly title: string
  readonly interfaces: readonly NetworkInterface[]
  readonly sources?: { readonly ipv4: string | undefined; readonly ipv6: string | undefined }
  readonly told: readonly string[]
}[] = [
  {
    title: 'a Linux desktop with docker, libvirt and a VPN that carries nothing',
    interfaces: [
      nic('docker0', '172.17.0.1'),
      nic('br-0123456789ab', '172.18.0.1'),
      nic('virbr0', '192.168.122.1'),
      nic('wg0', '10.8.0.2'),
      nic('tailscale0', '100.101.102.103'),
      nic('enp3s0', '192.168.1.10', 'fe80::1%enp3s0'),
    ],
    told: ['192.168.1.10'],
  },
  {
    title: 'a VPN that carries everything, and the LAN below it',
    interfaces: [nic('eth0', '192.168.1.10'), nic('tun0', '10.8.0.2')],
    sources: { ipv4: '10.8.0.2', ipv6: undefined },
    told: ['10.8.0.2', '192.168.1.10'],
  },
  {
    title:
      'IPv6 first, the temporary address that packets leave from before the stable one, unique-local ones last',
    interfaces: [nic('en0', '192.168.1.10', '2001:db8::a', '2001:db8::7e39', 'fd00::1')],
    sources: { ipv4: '192.168.1.10', ipv6: '2001:db8::7e39' },
    told: ['2001:db8::7e39', '192.168.1.10', '2001:db8::a', 'fd00::1'],
  },
  {
    title: 'Windows names',
    interfaces: [
      nic('vEthernet (WSL)', '172.20.0.1'),
      nic('VirtualBox Host-Only Network', '192.168.56.1'),
      nic('Wi-Fi', '192.168.1.10'),
    ],
    told: ['192.168.1.10'],
  },
  {
    title: 'a second real interface may be a LAN that we share',
    interfaces: [nic('eth1', '10.0.0.5'), nic('eth0', '192.168.1.10')],
    told: ['192.168.1.10', '10.0.0.5'],
  },
  {
    title: 'a container, whose own interface carries its traffic',
    interfaces: [nic('eth0', '172.17.0.2')],
    sources: { ipv4: '172.17.0.2', ipv6: undefined },
    told: ['172.17.0.2'],
  },
  {
    title: 'nothing where there are only link-local addresses',
    interfaces: [nic('eth0', '169.254.7.7', 'fe80::7%eth0')],
    sources: { ipv4: undefined, ipv6: undefined },
    told: [],
  },
]

for (const { title, interfaces, sources = LAN, told } of HOSTS) {
  test(title, (t) => {
    const found = hostAddresses(interfaces, sources)
    t.deepEqual(
      found.map(({ ip }) => ip),
      told,
    )
    const preferences = found.map(({ preference }) => preference)
    t.deepEqual(
      preferences,
      [...new Set(preferences)].sort((a, b) => b - a),
    )
  })
}

test('at most eight are told, those that carry traffic among them', (t) => {
  const many = Array.from({ length: 20 }, (_, index) => nic(`eth${index + 1}`, `10.0.${index}.1`))
  const found = hostAddresses([...many, nic('eth0', '192.168.1.10')], LAN)
  t.is(found.length, 8)
  t.is(found[0]?.ip, '192.168.1.10')
})
