import test from 'ava'
import type { NetworkInterface } from '../../../lib/base/runtime.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { maySendTo } from '../../../lib/gather/may-send-to.ts'
import type { Surroundings } from '../../../lib/gather/may-send-to.ts'

const HOME: readonly NetworkInterface[] = [
  {
    name: 'eth0',
    addresses: [
      { family: 'ipv4', ip: '192.168.1.10', prefixLength: 24 },
      { family: 'ipv6', ip: 'fd00:1::10', prefixLength: 64 },
    ],
  },
  { name: 'wg0', addresses: [{ family: 'ipv4', ip: '10.8.0.2', prefixLength: 32 }] },
]
const SERVER: readonly NetworkInterface[] = [
  { name: 'eth0', addresses: [{ family: 'ipv4', ip: '203.0.113.7', prefixLength: 24 }] },
  { name: 'eth1', addresses: [{ family: 'ipv4', ip: '10.1.0.7', prefixLength: 16 }] },
]
const DOCKED: readonly NetworkInterface[] = [
  ...HOME,
  { name: 'docker0', addresses: [{ family: 'ipv4', ip: '172.17.0.1', prefixLength: 16 }] },
  { name: 'tun0', addresses: [{ family: 'ipv4', ip: '10.9.0.2', prefixLength: 24 }] },
]
const apart = { sources: [], ownPublicIps: ['203.0.113.50'], theirPublicIps: ['198.51.100.50'] }
const together = { sources: [], ownPublicIps: ['203.0.113.50'], theirPublicIps: ['203.0.113.50'] }

const CASES: readonly (readonly [string, string, Surroundings, boolean])[] = [
  ['a public address', '198.51.100.7', { interfaces: HOME, ...apart }, true],
  ['a public IPv6 address', '2001:db8::1', { interfaces: HOME, ...apart }, true],
  ['a neighbour', '192.168.1.11', { interfaces: HOME, ...apart }, true],
  ['an IPv6 neighbour', 'fd00:1::11', { interfaces: HOME, ...apart }, true],
  ['the peer’s own LAN', '192.168.2.11', { interfaces: HOME, ...apart }, false],
  ['a LAN behind the same NAT', '192.168.2.11', { interfaces: HOME, ...together }, true],
  ['another customer of our carrier', '100.64.0.9', { interfaces: HOME, ...together }, true],
  ['another customer of another carrier', '100.64.0.9', { interfaces: HOME, ...apart }, false],
  ['behind a point-to-point address', '10.8.0.1', { interfaces: HOME, ...apart }, false],
  ['private, from a public host', '10.200.0.1', { interfaces: SERVER, ...together }, false],
  ['a LAN of a public host', '10.1.200.1', { interfaces: SERVER, ...apart }, true],
  ['a container of this host', '172.17.0.2', { interfaces: DOCKED, ...together }, false],
  ['a VPN that carries nothing', '10.9.0.9', { interfaces: DOCKED, ...together }, false],
  ['a VPN that we leave by', '10.9.0.9', { interfaces: DOCKED, ...apart, sources: ['10.9.0.2'] }, true],
  ['all of our LAN', '192.168.1.255', { interfaces: HOME, ...together }, false],
  ['a public address by 6to4', '2002:c633:6407::1', { interfaces: HOME, ...apart }, true],
  ['a private address by 6to4', '2002:0a00:0001::1', { interfaces: HOME, ...apart }, false],
  ['a private address by NAT64', '64:ff9b::a00:1', { interfaces: HOME, ...apart }, false],
  ['an IPv4-compatible address', '::a00:1', { interfaces: HOME, ...apart }, false],
  ['site-local', 'fec0::1', { interfaces: HOME, ...apart }, false],
  ['loopback', '127.0.0.1', { interfaces: HOME, ...together }, false],
  ['IPv6 loopback', '::1', { interfaces: HOME, ...together }, false],
  ['unspecified', '0.0.0.0', { interfaces: HOME, ...together }, false],
  ['multicast', '224.0.0.1', { interfaces: HOME, ...together }, false],
  ['IPv6 multicast', 'ff02::1', { interfaces: HOME, ...together }, false],
  ['broadcast', '255.255.255.255', { interfaces: HOME, ...together }, false],
  ['link-local', '169.254.1.1', { interfaces: HOME, ...together }, false],
  ['IPv6 link-local', 'fe80::1', { interfaces: HOME, ...together }, false],
]

for (const [what, ip, around, expected] of CASES) {
  test(`${expected ? 'may' : 'may not'} send to ${what}: ${ip}`, (t) => {
    t.is(maySendTo(transportAddress(ip, 4000), around), expected)
  })
}

test('port 0 is nobody’s', (t) => {
  t.false(maySendTo(transportAddress('198.51.100.7', 0), { interfaces: HOME, ...apart }))
})

for (const [ip, port, expected] of [
  ['198.51.100.7', 1024, true],
  ['198.51.100.7', 443, true],
  ['198.51.100.7', 80, true],
  ['198.51.100.7', 53, true],
  ['198.51.100.7', 22, false],
  ['198.51.100.7', 25, false],
  ['198.51.100.7', 0, false],
  ['192.168.1.11', 443, false],
  ['192.168.1.11', 65_535, true],
] as const) {
  test(`${expected ? 'may' : 'may not'} send to port ${port} of ${ip}`, (t) => {
    t.is(maySendTo(transportAddress(ip, port), { interfaces: HOME, ...apart }), expected)
  })
}
