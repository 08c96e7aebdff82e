import fc from 'fast-check'
import test from 'ava'
import { parseProcNetIpv6Route, parseProcNetRoute } from '../../../lib/net/linux-routes.ts'

// Both captured on Linux 6.18 in a network namespace with: three plain defaults, one without a gateway (tun0), half
// of OpenVPN's "def1" pair (mask 80000000), a multipath, a blackhole and an unreachable default, and defaults in table
// 51820. The IPv4 file has the main table only.
const IPV4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT                                                       
tun0	00000000	0100080A	0003	0	0	0	00000080	0	0	0                                                                               
tun0	00000000	00000000	0001	0	0	50	00000000	0	0	0                                                                              
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0                                                                             
wlan0	00000000	0100140A	0003	0	0	600	00000000	0	0	0                                                                            
eth0	00000000	0201A8C0	0003	0	0	700	00000000	0	0	0                                                                             
*	00000000	00000000	0001	0	0	5000	00000000	0	0	0                                                                               
*	00000000	00000000	0201	0	0	4278198272	00000000	0	0	0                                                                         
tun0	0000080A	00000000	0001	0	0	0	00FFFFFF	0	0	0                                                                               
eth0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0                                                                               
eth0	006433C6	FE01A8C0	0003	0	0	0	00FFFFFF	0	0	0                                                                               
`

const IPV6 = `00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000077 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 20010db8000100000000000000000000 40 fe800000000000000000000000000005 00000200 00000001 00000000 00000003     eth0
20010db8000100000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001       p0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000000000000000abcd 00000258 00000001 00000000 08000003    wlan0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000100000000000000000001 00000800 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000bb8 00000001 00000000 00000001     tun0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000fa0 00000001 00000000 00200200       lo
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001       lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000002 00000000 00200200       lo
`

test('finds the IPv4 default gateways with their metrics, and no other default', (t) => {
  t.deepEqual(parseProcNetRoute(IPV4, 'LE'), [
    { family: 'ipv4', ip: '192.168.1.1', interfaceName: 'eth0', metric: 100 },
    { family: 'ipv4', ip: '10.20.0.1', interfaceName: 'wlan0', metric: 600 },
    { family: 'ipv4', ip: '192.168.1.2', interfaceName: 'eth0', metric: 700 },
  ])
})

test('reads addresses in the byte order of a big-endian host', (t) => {
  const table = IPV4.replace('0101A8C0', 'C0A80101')
  t.is(parseProcNetRoute(table, 'BE')[0]?.ip, '192.168.1.1')
})

test('finds the IPv6 default gateways, link-local ones with their zone', (t) => {
  t.deepEqual(parseProcNetIpv6Route(IPV6), [
    { family: 'ipv6', ip: 'fe80::77%eth0', interfaceName: 'eth0', metric: 1024 },
    { family: 'ipv6', ip: 'fe80::5%eth0', interfaceName: 'eth0', metric: 512 },
    { family: 'ipv6', ip: 'fe80::abcd%wlan0', interfaceName: 'wlan0', metric: 600 },
    { family: 'ipv6', ip: '2001:db8:1::1', interfaceName: 'eth0', metric: 2048 },
  ])
})

test('an unreachable default is no gateway even when it names one', (t) => {
  t.deepEqual(parseProcNetRoute(IPV4.replaceAll('\t0003\t', '\t0203\t'), 'LE'), [])
  t.deepEqual(parseProcNetIpv6Route(IPV6.replaceAll(/0003(\s+\w+)$/gm, '0203$1')), [])
})

test('regression: an interface named with a percent sign made the parser throw', (t) => {
  t.deepEqual(
    parseProcNetIpv6Route(IPV6.replaceAll('eth0', 'e%d')).map((gateway) => gateway.ip),
    ['fe80::abcd%wlan0', '2001:db8:1::1'],
  )
})

test('empty files have no gateways', (t) => {
  t.deepEqual(parseProcNetRoute('', 'LE'), [])
  t.deepEqual(parseProcNetIpv6Route(''), [])
})

test('damaged rows are left out: wrong lengths, no hexadecimal, missing columns', (t) => {
  const damaged = [
    'eth0\t00000000\t0101A8\t0003\t0\t0\t100\t00000000',
    'eth0\t00000000\tZZZZZZZZ\t0003\t0\t0\t100\t00000000',
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t-1\t00000000',
    'eth0\t00000000\t0101A8C0\t0003',
    'eth0\t00000000\t0101A8C0\tx\t0\t0\t100\t00000000',
  ]
  t.deepEqual(parseProcNetRoute(damaged.join('\n'), 'LE'), [])
  t.deepEqual(parseProcNetIpv6Route(IPV6.replaceAll(/\s+\w+$/gm, '')), [])
  t.deepEqual(parseProcNetIpv6Route(IPV6.replaceAll('fe80', 'fe8')), parseProcNetIpv6Route(IPV6).slice(3))
})

test('no text makes either parser throw', (t) => {
  const anyTable = fc.oneof(fc.string({ unit: 'binary' }), damagedTable(IPV4), damagedTable(IPV6))
  fc.assert(
    fc.property(anyTable, (text) => {
      t.true(Array.isArray(parseProcNetRoute(text, 'LE')))
      t.true(Array.isArray(parseProcNetIpv6Route(text)))
    }),
  )
})

/** The table with one stretch replaced by any text. */
function damagedTable(table: string): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(table.length), fc.nat(40), fc.string({ maxLength: 40 }))
    .map(([at, length, text]) => table.slice(0, at) + text + table.slice(at + length))
}
