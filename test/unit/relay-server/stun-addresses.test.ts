import test from 'ava'
import type { Endpoint } from '../../../lib/base/endpoint.ts'
import { parseEndpoint } from '../../../lib/base/endpoint.ts'
import { ReachError } from '../../../lib/base/errors.ts'
import type { NetworkInterface } from '../../../lib/base/runtime.ts'
import { primaryPorts, stunAddresses } from '../../../relay-server/stun-addresses.ts'

const NO_INTERFACES: readonly NetworkInterface[] = []
const NOBODY = new Map<string, string>()

function wanted(...texts: readonly string[]): readonly Endpoint[] {
  return texts.map((text) => parseEndpoint(text, 3478))
}

function anInterface(name: string, ...ips: readonly string[]): NetworkInterface {
  return {
    name,
    addresses: ips.map((ip) =>
      ip.includes(':') ? { family: 'ipv6', ip, prefixLength: 64 } : { family: 'ipv4', ip, prefixLength: 24 },
    ),
  }
}

const SERVER = [
  anInterface('eth0', '203.0.113.9', '203.0.113.10', '2001:db8::9', 'fe80::1%eth0'),
  anInterface('eth1', '10.0.0.5'),
]

test('one address is served on its port and the next one', (t) => {
  t.deepEqual(stunAddresses(wanted('203.0.113.9'), NO_INTERFACES, NOBODY), [
    { ip: '203.0.113.9', port: 3478, alternatePort: 3479 },
  ])
  t.deepEqual(stunAddresses(wanted('203.0.113.9:65535'), NO_INTERFACES, NOBODY), [
    { ip: '203.0.113.9', port: 65_535, alternatePort: 65_534 },
  ])
})

test('two addresses of one family and kind make a grid (RFC 5780 §6)', (t) => {
  t.deepEqual(stunAddresses(wanted('203.0.113.9', '203.0.113.10'), NO_INTERFACES, NOBODY), [
    { ip: '203.0.113.9', port: 3478, alternatePort: 3479, alternateIp: '203.0.113.10' },
  ])
})

test('the two ports that are given are those of both addresses', (t) => {
  const expected = [{ ip: '203.0.113.9', port: 3478, alternatePort: 19_302, alternateIp: '203.0.113.10' }]
  const once = wanted('203.0.113.9:3478', '203.0.113.10:19302')
  t.deepEqual(stunAddresses(once, NO_INTERFACES, NOBODY), expected)
  const all = wanted('203.0.113.9:3478', '203.0.113.9:19302', '203.0.113.10:3478', '203.0.113.10:19302')
  t.deepEqual(stunAddresses(all, NO_INTERFACES, NOBODY), expected)
})

test('an odd address out is served alone', (t) => {
  const three = wanted('203.0.113.9', '203.0.113.10', '203.0.113.11')
  t.deepEqual(stunAddresses(three, NO_INTERFACES, NOBODY), [
    { ip: '203.0.113.9', port: 3478, alternatePort: 3479, alternateIp: '203.0.113.10' },
    { ip: '203.0.113.11', port: 3478, alternatePort: 3479 },
  ])
})

test('addresses of different families or kinds are never paired: nobody could reach both', (t) => {
  const mixed = wanted('203.0.113.9', '[2001:db8::9]', '10.0.0.5', '127.0.0.1')
  t.deepEqual(
    stunAddresses(mixed, NO_INTERFACES, NOBODY).map(({ ip, alternateIp }) => [ip, alternateIp]),
    [
      ['203.0.113.9', undefined],
      ['2001:db8::9', undefined],
      ['10.0.0.5', undefined],
      ['127.0.0.1', undefined],
    ],
  )
})

test('0.0.0.0 and [::] stand for every address of the interfaces and loopback, but not for link-local ones', (t) => {
  const ips = stunAddresses(wanted('0.0.0.0', '[::]'), SERVER, NOBODY).map(({ ip, alternateIp }) => [
    ip,
    alternateIp,
  ])
  t.deepEqual(ips, [
    ['203.0.113.9', '203.0.113.10'],
    ['10.0.0.5', undefined],
    ['127.0.0.1', undefined],
    ['2001:db8::9', undefined],
    ['::1', undefined],
  ])
})

test('a wildcard and an address that it covers are one', (t) => {
  const both = stunAddresses(wanted('0.0.0.0', '203.0.113.9'), SERVER, NOBODY)
  t.deepEqual(both, stunAddresses(wanted('0.0.0.0'), SERVER, NOBODY))
  const loopback = [...SERVER, anInterface('lo', '127.0.0.1', '::1')]
  t.deepEqual(stunAddresses(wanted('0.0.0.0'), loopback, NOBODY), both)
})

test('a host without IPv6 serves none for [::], and loopback alone for 0.0.0.0 where it has no address', (t) => {
  t.deepEqual(stunAddresses(wanted('[::]'), [anInterface('eth0', '203.0.113.9')], NOBODY), [])
  t.deepEqual(stunAddresses(wanted('0.0.0.0'), NO_INTERFACES, NOBODY), [
    { ip: '127.0.0.1', port: 3478, alternatePort: 3479 },
  ])
})

test('the public address of a server behind a 1:1 NAT goes with its own', (t) => {
  const advertised = new Map([
    ['10.0.0.5', '203.0.113.9'],
    ['10.0.0.6', '203.0.113.10'],
    ['10.0.0.7', '203.0.113.11'],
  ])
  t.deepEqual(stunAddresses(wanted('10.0.0.5', '10.0.0.6'), NO_INTERFACES, advertised), [
    {
      ip: '10.0.0.5',
      port: 3478,
      alternatePort: 3479,
      alternateIp: '10.0.0.6',
      advertisedIp: '203.0.113.9',
      advertisedAlternateIp: '203.0.113.10',
    },
  ])
})

test('refuses names, three ports, and a port that the system would pick', (t) => {
  const refused = (endpoints: readonly Endpoint[], message: RegExp) => {
    const error = t.throws(() => stunAddresses(endpoints, SERVER, NOBODY), {
      code: 'ERR_REACH_CONFIG',
      message,
    })
    t.true(ReachError.is(error) && error.hint !== undefined)
  }
  refused(wanted('relay.example.org'), /^relay\.example\.org:3478 names a host/)
  refused(
    wanted('203.0.113.9:1', '203.0.113.9:2', '203.0.113.10:3'),
    /on ports 1, 2, 3, but a server has two$/,
  )
  // regression: it made two endpoints with one address, a RangeError without a hint
  refused([{ host: '127.0.0.1', port: 0 }], /names no port/)
})

test('nothing asked for is nothing served', (t) => {
  t.deepEqual(stunAddresses([], SERVER, NOBODY), [])
})

test('members are told the ports to ask, each once, and not the alternate ones', (t) => {
  const ports = (...texts: readonly string[]) => primaryPorts(stunAddresses(wanted(...texts), SERVER, NOBODY))
  t.deepEqual(ports('0.0.0.0', '[::]'), [3478])
  t.deepEqual(ports('203.0.113.9:3478', '203.0.113.9:53', '[2001:db8::9]:443'), [3478, 443])
  t.deepEqual(ports(), [])
})
