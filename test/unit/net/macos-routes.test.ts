import fc from 'fast-check'
import test from 'ava'
import { parseNetstatRoutes } from '../../../lib/net/macos-routes.ts'

// Written after the columns that netstat(1) of macOS prints (route.c of network_cmds): widths are padding only.
const IPV4 = `Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en0       
default            10.20.0.1          UGScIg                en7       
default            link#15            UCSIg               utun3       
127                127.0.0.1          UCS                   lo0       
192.168.1          link#6             UCS                   en0      !
192.168.1.1        a8:6b:ad:6b:c4:a5  UHLWIir               en0   1193
`

const IPV4_BEFORE_CATALINA = `Routing tables

Internet:
Destination        Gateway            Flags        Refs      Use   Netif Expire
default            10.10.10.1         UGSc           20       16     en0
10.10.10/24        link#4             UCS             1        0     en0
`

const IPV6 = `Routing tables

Internet6:
Destination                             Gateway                                 Flags               Netif Expire
default                                 fe80::1%en0                             UGcg                  en0       
default                                 fe80::%utun0                            UGcIg               utun0       
default                                 2001:db8:1::1                           UGcRg                 en0       
::1                                     ::1                                     UHL                   lo0       
fe80::%lo0/64                           fe80::1%lo0                             UcI                   lo0       
`

test('finds the IPv4 gateways, the primary before those bound to one interface', (t) => {
  t.deepEqual(parseNetstatRoutes(IPV4), [
    { family: 'ipv4', ip: '192.168.1.1', interfaceName: 'en0', metric: 0 },
    { family: 'ipv4', ip: '10.20.0.1', interfaceName: 'en7', metric: 1 },
  ])
})

test('reads the older table, whose interface stands two columns later', (t) => {
  t.deepEqual(parseNetstatRoutes(IPV4_BEFORE_CATALINA), [
    { family: 'ipv4', ip: '10.10.10.1', interfaceName: 'en0', metric: 0 },
  ])
})

test('finds the IPv6 gateway with its zone, not the nobodies of tunnels nor rejecting routes', (t) => {
  t.deepEqual(parseNetstatRoutes(IPV6), [
    { family: 'ipv6', ip: 'fe80::1%en0', interfaceName: 'en0', metric: 0 },
  ])
})

test('reads both tables in one text', (t) => {
  t.is(parseNetstatRoutes(IPV4_BEFORE_CATALINA + IPV6).length, 2)
})

test('a table without its header, or without interfaces, has no gateways', (t) => {
  t.deepEqual(parseNetstatRoutes('default 192.168.1.1 UGScg en0'), [])
  t.deepEqual(parseNetstatRoutes('Destination Gateway Flags\ndefault 192.168.1.1 UGScg'), [])
})

test('no text makes the parser throw', (t) => {
  const word = fc.constantFrom(
    'Destination',
    'Gateway',
    'Flags',
    'Netif',
    'default',
    '192.168.1.1',
    'fe80::%x',
    'UGS',
    '\n',
  )
  const words = fc.array(fc.oneof(word, fc.string()), { maxLength: 40 }).map((each) => each.join(' '))
  fc.assert(
    fc.property(fc.oneof(words, fc.string({ unit: 'binary' })), (text) => {
      t.true(Array.isArray(parseNetstatRoutes(text)))
    }),
  )
})
