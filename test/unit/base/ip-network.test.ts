import test from 'ava'
import fc from 'fast-check'
import { isBroadcastOf, networkContains } from '../../../lib/base/ip-network.ts'
import { bytesToIp } from '../../../lib/base/transport-address.ts'

const CONTAINED: readonly (readonly [string, number, string, boolean])[] = [
  ['192.168.1.7', 24, '192.168.1.255', true],
  ['192.168.1.7', 24, '192.168.2.7', false],
  ['10.1.2.3', 12, '10.15.255.255', true],
  ['10.1.2.3', 12, '10.16.0.0', false],
  ['203.0.113.9', 32, '203.0.113.9', true],
  ['203.0.113.9', 32, '203.0.113.8', false],
  ['0.0.0.0', 0, '255.255.255.255', true],
  ['2001:db8::1', 64, '2001:db8::ffff:0:0:1', true],
  ['2001:db8::1', 64, '2001:db8:0:1::1', false],
  ['fe80::1%eth0', 64, 'fe80::2%eth1', true],
  ['::', 0, '192.0.2.1', false],
  ['0.0.0.0', 0, '::1', false],
]

test('a network contains the addresses of its prefix and family', (t) => {
  for (const [ip, prefixLength, candidate, expected] of CONTAINED)
    t.is(networkContains({ ip, prefixLength }, candidate), expected, `${candidate} in ${ip}/${prefixLength}`)
})

test('prefixes are those of the binary notation', (t) => {
  const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: 0, max: 32 }), (a, b, prefixLength) => {
      const bits = (each: Uint8Array) => [...each].map((byte) => byte.toString(2).padStart(8, '0')).join('')
      const expected = bits(a).slice(0, prefixLength) === bits(b).slice(0, prefixLength)
      return networkContains({ ip: bytesToIp(a), prefixLength }, bytesToIp(b)) === expected
    }),
  )
  t.pass()
})

const BROADCASTS: readonly (readonly [string, number, string, boolean])[] = [
  ['192.168.1.7', 24, '192.168.1.255', true],
  ['192.168.1.7', 24, '192.168.1.0', true],
  ['192.168.1.7', 24, '192.168.1.254', false],
  ['192.168.1.7', 24, '192.168.2.255', false],
  ['10.0.4.7', 22, '10.0.7.255', true],
  ['10.0.4.7', 22, '10.0.5.255', false],
  ['10.0.4.7', 22, '10.0.4.0', true],
  // RFC 3021, and hosts that stand alone.
  ['10.0.4.6', 31, '10.0.4.7', false],
  ['10.0.4.7', 32, '10.0.4.7', false],
  ['2001:db8::1', 64, '2001:db8::', false],
]

test('broadcast addresses are known by the network that they belong to', (t) => {
  for (const [ip, prefixLength, candidate, expected] of BROADCASTS)
    t.is(isBroadcastOf({ ip, prefixLength }, candidate), expected, `${candidate} of ${ip}/${prefixLength}`)
})
