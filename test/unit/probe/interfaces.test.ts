import test from 'ava'
import type { InterfaceKind } from '../../../lib/net/interface-kind.ts'
import { interfaceKind } from '../../../lib/net/interface-kind.ts'
import { describeInterfaces } from '../../../lib/probe/interfaces.ts'

/** Names as systems and programs give them. */
const NAMES: Readonly<Record<InterfaceKind, readonly string[]>> = {
  loopback: ['lo', 'lo0', 'Loopback Pseudo-Interface 1'],
  'ethernet-or-wifi': [
    'eth0',
    'enp3s0',
    'eno1',
    'en0',
    'wlan0',
    'wlp2s0',
    'wwan0',
    'usb0',
    'Ethernet',
    'Ethernet 2',
    'Wi-Fi',
    'WLAN',
    'Local Area Connection',
    'ib0',
    'end0',
  ],
  vpn: [
    'tun0',
    'utun4',
    'wg0',
    'tailscale0',
    'ztabcdefgh',
    'ppp0',
    'ipsec0',
    'nordlynx',
    'proton0',
    'CloudflareWARP',
    'wt0',
    'My VPN',
    'office-wireguard',
    'ZeroTier One [123]',
  ],
  container: [
    'docker0',
    'br-0123456789ab',
    'veth12ab34c',
    'cni0',
    'flannel.1',
    'cali12345',
    'podman0',
    'lxcbr0',
    'lxdbr0',
  ],
  'virtual-machine': [
    'virbr0',
    'vmnet8',
    'vboxnet0',
    'vEthernet (WSL)',
    'VMware Network Adapter VMnet8',
    'bridge100',
    'tap0',
    'vnic0',
  ],
  bridge: ['br0', 'br1', 'bond0', 'bridge0'],
  other: ['dummy0', 'ifb0', 'sit0', 'awdl0', 'gre1', ''],
}

for (const [kind, names] of Object.entries(NAMES)) {
  test(`interfaces that are called like ${kind}`, (t) => {
    for (const name of names) {
      const found: string = interfaceKind(name)
      t.is(found, kind, name)
    }
  })
}

test('an interface carries the families whose packets leave from its addresses', (t) => {
  const interfaces = [
    {
      name: 'eth0',
      addresses: [
        { family: 'ipv4', ip: '192.168.1.10', prefixLength: 24 },
        { family: 'ipv6', ip: '2001:db8::10', prefixLength: 64 },
      ],
    },
    { name: 'wg0', addresses: [{ family: 'ipv4', ip: '10.8.0.3', prefixLength: 32 }] },
  ] as const
  t.deepEqual(describeInterfaces(interfaces, { ipv4: '10.8.0.3', ipv6: '2001:db8::10' }), [
    {
      name: 'eth0',
      kind: 'ethernet-or-wifi',
      addresses: ['192.168.1.10/24', '2001:db8::10/64'],
      carries: ['ipv6'],
    },
    { name: 'wg0', kind: 'vpn', addresses: ['10.8.0.3/32'], carries: ['ipv4'] },
  ])
  for (const { carries } of describeInterfaces(interfaces, { ipv4: undefined, ipv6: undefined }))
    t.deepEqual(carries, [])
})
