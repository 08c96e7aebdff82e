import fc from 'fast-check'
import test from 'ava'
import { parseRoutePrint } from '../../../lib/net/windows-routes.ts'

const INTERFACES = [
  { name: 'Ethernet', ips: ['192.168.1.23', 'fe80::23'], index: 12 },
  { name: 'Wi-Fi', ips: ['10.20.30.40'], index: undefined },
]

// Written after the documented form of `route print`; \r as Windows ends its lines.
const ENGLISH = `===========================================================================
Interface List
 12...00 15 5d 01 02 03 ......Intel(R) Ethernet Connection
  1...........................Software Loopback Interface 1
===========================================================================

IPv4 Route Table
===========================================================================
Active Routes:
Network Destination        Netmask          Gateway       Interface  Metric
          0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.23     25
          0.0.0.0          0.0.0.0        10.20.0.1     10.20.30.40     50
          0.0.0.0          0.0.0.0         On-link        10.8.0.2      5
          0.0.0.0        128.0.0.0        10.8.0.1        10.8.0.2      5
        127.0.0.0        255.0.0.0         On-link         127.0.0.1    331
===========================================================================
Persistent Routes:
  Network Address          Netmask  Gateway Address  Metric
          0.0.0.0          0.0.0.0    192.168.1.254  Default
===========================================================================

IPv6 Route Table
===========================================================================
Active Routes:
 If Metric Network Destination      Gateway
 12    281 ::/0                     fe80::1
 14    300 ::/0                     2001:db8:1::1
 12    281 2001:db8:1::/64          On-link
  1    331 ::1/128                  On-link
===========================================================================
Persistent Routes:
 If Metric Network Destination      Gateway
  0 4294967295 ::/0                     2001:db8:1::99
===========================================================================
`.replaceAll('\n', '\r\n')

const EXPECTED = [
  { family: 'ipv4', ip: '192.168.1.1', interfaceName: 'Ethernet', metric: 25 },
  { family: 'ipv4', ip: '10.20.0.1', interfaceName: 'Wi-Fi', metric: 50 },
  { family: 'ipv6', ip: 'fe80::1%12', interfaceName: 'Ethernet', metric: 281 },
  { family: 'ipv6', ip: '2001:db8:1::1', interfaceName: '14', metric: 300 },
] as const

test('finds the gateways of both families, with interface names and zones', (t) => {
  t.deepEqual(parseRoutePrint(ENGLISH, INTERFACES), EXPECTED)
})

test('needs no English', (t) => {
  const german = ENGLISH.replaceAll('On-link', 'Auf Verbindung')
    .replaceAll('Active Routes:', 'Aktive Routen:')
    .replace('Network Destination        Netmask', 'Netzwerkziel    Netzwerkmaske')
    .replaceAll('Default', 'Standard')
  t.deepEqual(parseRoutePrint(german, INTERFACES), EXPECTED)
})

test('reads an IPv6 gateway that was pushed to the next line', (t) => {
  t.deepEqual(
    parseRoutePrint(' 12    281 ::/0\r\n                                    fe80::1\r\n', INTERFACES),
    [{ family: 'ipv6', ip: 'fe80::1%12', interfaceName: 'Ethernet', metric: 281 }],
  )
})

test('an unknown interface goes by its address or index', (t) => {
  t.deepEqual(
    parseRoutePrint(ENGLISH, []).map((gateway) => gateway.interfaceName),
    ['192.168.1.23', '10.20.30.40', '12', '14'],
  )
})

test('no text makes the parser throw', (t) => {
  const word = fc.constantFrom(
    '0.0.0.0',
    '::/0',
    '12',
    '281',
    'fe80::1',
    '192.168.1.1',
    'On-link',
    '\n',
    '\r\n',
  )
  const words = fc.array(fc.oneof(word, fc.string()), { maxLength: 40 }).map((each) => each.join(' '))
  fc.assert(
    fc.property(fc.oneof(words, fc.string({ unit: 'binary' })), (text) => {
      t.true(Array.isArray(parseRoutePrint(text, INTERFACES)))
    }),
  )
})
