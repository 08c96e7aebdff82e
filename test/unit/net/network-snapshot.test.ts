import test from 'ava'
import type { Gateway, NetworkInterface } from '../../../lib/base/runtime.ts'
import type { ClockReading } from '../../../lib/net/network-snapshot.ts'
import { detectSleep, diffNetwork } from '../../../lib/net/network-snapshot.ts'

const aInterface = (name: string, ...ips: string[]): NetworkInterface => ({
  name,
  addresses: ips.map((ip) => ({ family: ip.includes(':') ? 'ipv6' : 'ipv4', ip, prefixLength: 24 })),
})
const aGateway = (ip: string, metric = 100): Gateway => ({
  family: 'ipv4',
  ip,
  interfaceName: 'eth0',
  metric,
})

const before = {
  interfaces: [aInterface('eth0', '192.168.1.23', '2001:db8::23'), aInterface('wlan0', '10.0.0.5')],
  gateways: [aGateway('192.168.1.1'), aGateway('10.0.0.1', 600)],
}

test('the same network in another order is no change', (t) => {
  const after = {
    interfaces: [aInterface('wlan0', '10.0.0.5'), aInterface('eth0', '2001:db8::23', '192.168.1.23')],
    gateways: [...before.gateways].reverse(),
  }
  t.deepEqual(diffNetwork(before, after), [])
})

test('a new, lost or moved address is a change of addresses', (t) => {
  for (const interfaces of [
    [...before.interfaces, aInterface('tun0', '10.8.0.2')],
    before.interfaces.slice(1),
    [aInterface('wlan0', '192.168.1.23', '2001:db8::23'), aInterface('eth0', '10.0.0.5')],
    [],
  ]) {
    const after = { ...before, interfaces }
    t.deepEqual(diffNetwork(before, after), [
      { kind: 'addresses', before: before.interfaces, after: interfaces },
    ])
  }
})

test('another prefix length of the same address is a change', (t) => {
  const interfaces = before.interfaces.map((each) => ({
    ...each,
    addresses: each.addresses.map((address) => ({ ...address, prefixLength: 16 })),
  }))
  t.is(diffNetwork(before, { ...before, interfaces })[0]?.kind, 'addresses')
})

test('loopback and link-local addresses come and go unnoticed', (t) => {
  const interfaces = [
    ...before.interfaces,
    aInterface('veth1', 'fe80::1%veth1', '169.254.7.7'),
    aInterface('lo', '127.0.0.1', '::1'),
  ]
  t.deepEqual(diffNetwork(before, { ...before, interfaces }), [])
})

test('a new, lost or newly preferred gateway is a change of gateways', (t) => {
  for (const gateways of [
    [...before.gateways, aGateway('10.8.0.1')],
    before.gateways.slice(1),
    [aGateway('192.168.1.1', 700), aGateway('10.0.0.1', 600)],
  ]) {
    t.deepEqual(diffNetwork(before, { ...before, gateways }), [
      { kind: 'gateways', before: before.gateways, after: gateways },
    ])
  }
})

test('both can change at once', (t) => {
  t.deepEqual(
    diffNetwork(before, { interfaces: [], gateways: [] }).map((change) => change.kind),
    ['addresses', 'gateways'],
  )
})

const reading = (monotonicMs: number, wallMs: number): ClockReading => ({ monotonicMs, wallMs })

test('a tick in time, or a little late, is no sleep', (t) => {
  for (const elapsedMs of [5_000, 5_001, 7_500]) {
    t.is(detectSleep(reading(0, 0), reading(elapsedMs, elapsedMs), 5_000), undefined)
  }
})

test('a wall clock far ahead tells sleep with a stopped monotonic clock', (t) => {
  t.deepEqual(detectSleep(reading(0, 0), reading(5_000, 65_000), 5_000), {
    kind: 'slept',
    before: reading(0, 0),
    after: reading(5_000, 65_000),
    sleptMs: 60_000,
  })
})

test('a monotonic clock far ahead tells sleep whatever the wall clock says', (t) => {
  t.like(detectSleep(reading(0, 0), reading(65_000, 65_000), 5_000), { kind: 'slept', sleptMs: 60_000 })
  t.like(detectSleep(reading(0, 0), reading(65_000, -3_600_000), 5_000), { kind: 'slept', sleptMs: 60_000 })
})

test('a wall clock set back is no sleep', (t) => {
  t.is(detectSleep(reading(0, 0), reading(5_000, -3_600_000), 5_000), undefined)
})
