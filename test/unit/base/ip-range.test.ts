import fc from 'fast-check'
import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { ipScope, isGlobalIp, type IpScope } from '../../../lib/base/ip-range.ts'
import { bytesToIp } from '../../../lib/base/transport-address.ts'

/** First and last address of each range, and the neighbours that are outside. */
const BORDERS: readonly (readonly [ip: string, scope: IpScope])[] = [
  ['0.0.0.0', 'unspecified'],
  ['0.0.0.1', 'reserved'],
  ['0.255.255.255', 'reserved'],
  ['1.0.0.0', 'global'],
  ['9.255.255.255', 'global'],
  ['10.0.0.0', 'private'],
  ['10.255.255.255', 'private'],
  ['11.0.0.0', 'global'],
  ['100.63.255.255', 'global'],
  ['100.64.0.0', 'shared'],
  ['100.127.255.255', 'shared'],
  ['100.128.0.0', 'global'],
  ['126.255.255.255', 'global'],
  ['127.0.0.0', 'loopback'],
  ['127.255.255.255', 'loopback'],
  ['128.0.0.0', 'global'],
  ['169.253.255.255', 'global'],
  ['169.254.0.0', 'link-local'],
  ['169.254.255.255', 'link-local'],
  ['169.255.0.0', 'global'],
  ['172.15.255.255', 'global'],
  ['172.16.0.0', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.0', 'global'],
  ['192.0.0.0', 'private'],
  ['192.0.0.255', 'private'],
  ['192.0.1.0', 'global'],
  ['192.167.255.255', 'global'],
  ['192.168.0.0', 'private'],
  ['192.168.255.255', 'private'],
  ['192.169.0.0', 'global'],
  ['198.17.255.255', 'global'],
  ['198.18.0.0', 'reserved'],
  ['198.19.255.255', 'reserved'],
  ['198.20.0.0', 'global'],
  ['223.255.255.255', 'global'],
  ['224.0.0.0', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['240.0.0.0', 'reserved'],
  ['255.255.255.255', 'reserved'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::2', 'global'],
  ['64:ff9b::c000:221', 'global'],
  ['64:ff9b:1::', 'private'],
  ['64:ff9b:1:ffff:ffff:ffff:ffff:ffff', 'private'],
  ['64:ff9b:2::', 'global'],
  ['100::', 'reserved'],
  ['100::ffff:ffff:ffff:ffff', 'reserved'],
  ['100:0:0:1::', 'global'],
  ['2000::', 'global'],
  ['fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'global'],
  ['fc00::', 'unique-local'],
  ['fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'unique-local'],
  ['fe00::', 'global'],
  ['fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'global'],
  ['fe80::', 'link-local'],
  ['febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'link-local'],
  ['fec0::', 'global'],
  ['feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'global'],
  ['ff00::', 'multicast'],
  ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'multicast'],
]

for (const [ip, scope] of BORDERS) {
  test(`${ip} is ${scope}`, (t) => {
    t.is(ipScope(ip), scope)
    t.is(isGlobalIp(ip), scope === 'global')
  })
}

test('documentation addresses count as global, for tests play the internet with them', (t) => {
  for (const ip of ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1']) t.true(isGlobalIp(ip), ip)
})

test('a zone does not matter', (t) => {
  t.is(ipScope('fe80::1%eth0'), 'link-local')
})

test('regression: IPv4-mapped IPv6 has the scope of the IPv4 address, where it was always global', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      const ip = bytesToIp(bytes)
      t.is(ipScope(`::ffff:${ip}`), ipScope(ip))
    }),
  )
})

test('what is no IP has no scope', (t) => {
  for (const text of ['', 'localhost', '10.0.0', '10.0.0.1%eth0', 'fe80::1%']) {
    t.true(
      ReachError.is(
        t.throws(() => ipScope(text)),
        'ERR_REACH_ADDRESS',
      ),
      text,
    )
  }
})
