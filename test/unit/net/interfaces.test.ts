import type { NetworkInterfaceInfo } from 'node:os'
import test from 'ava'
import { toInterfaces } from '../../../lib/net/interfaces.ts'

const v4 = (address: string, cidr: string | null, internal = false): NetworkInterfaceInfo => ({
  family: 'IPv4',
  address,
  cidr,
  internal,
  netmask: '255.255.255.0',
  mac: '00:00:00:00:00:00',
})
const v6 = (address: string, cidr: string | null, scopeid = 0, internal = false): NetworkInterfaceInfo => ({
  family: 'IPv6',
  address,
  cidr,
  internal,
  scopeid,
  netmask: 'ffff:ffff:ffff:ffff::',
  mac: '00:00:00:00:00:00',
})

const interfaces = {
  lo: [v4('127.0.0.1', '127.0.0.1/8', true), v6('::1', '::1/128', 0, true)],
  eth0: [
    v4('192.168.1.23', '192.168.1.23/24'),
    v6('2001:DB8:1:0::23', '2001:db8:1::23/64'),
    v6('fe80::fc:ff:fe00:1', 'fe80::fc:ff:fe00:1/64', 4),
  ],
  tun0: undefined,
}

test('lists canonical addresses with prefix lengths, link-local ones with the zone of the system', (t) => {
  t.deepEqual(toInterfaces({ interfaces, platform: 'linux' }), [
    {
      name: 'eth0',
      addresses: [
        { family: 'ipv4', ip: '192.168.1.23', prefixLength: 24 },
        { family: 'ipv6', ip: '2001:db8:1::23', prefixLength: 64 },
        { family: 'ipv6', ip: 'fe80::fc:ff:fe00:1%eth0', prefixLength: 64 },
      ],
    },
  ])
})

test('Windows zones are numbers', (t) => {
  const addresses = toInterfaces({ interfaces, platform: 'win32' })[0]?.addresses
  t.is(addresses?.[2]?.ip, 'fe80::fc:ff:fe00:1%4')
})

test('loopback is listed when asked for', (t) => {
  const all = toInterfaces({ interfaces, platform: 'linux' }, { includeLoopback: true })
  t.deepEqual(
    all.map((each) => each.name),
    ['lo', 'eth0'],
  )
})

test('an address without a proper netmask stands for itself', (t) => {
  const odd = { x: [v4('10.0.0.1', null), v6('2001:db8::1', null)] }
  t.deepEqual(
    toInterfaces({ interfaces: odd, platform: 'linux' })[0]?.addresses.map((each) => each.prefixLength),
    [32, 128],
  )
})

test('a link-local address on an interface whose name is no zone is left out', (t) => {
  const odd = { 'e%d': [v6('fe80::1', 'fe80::1/64', 3), v6('2001:db8::1', '2001:db8::1/64')] }
  t.deepEqual(
    toInterfaces({ interfaces: odd, platform: 'linux' })[0]?.addresses.map((each) => each.ip),
    ['2001:db8::1'],
  )
})
