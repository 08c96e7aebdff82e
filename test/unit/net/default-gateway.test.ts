import test from 'ava'
import type { Gateway } from '../../../lib/base/runtime.ts'
import { byMetric, defaultGateways } from '../../../lib/net/default-gateway.ts'

const gateway = (ip: string, interfaceName: string, metric: number): Gateway => ({
  family: ip.includes(':') ? 'ipv6' : 'ipv4',
  ip,
  interfaceName,
  metric,
})

test('sorts by metric and keeps the order of equals', (t) => {
  const sorted = byMetric([
    gateway('192.168.1.1', 'a', 600),
    gateway('10.0.0.1', 'b', 100),
    gateway('10.0.0.2', 'c', 100),
    gateway('fe80::1%a', 'a', 1024),
  ])
  t.deepEqual(
    sorted.map((each) => each.ip),
    ['10.0.0.1', '10.0.0.2', '192.168.1.1', 'fe80::1%a'],
  )
})

test('a gateway that is listed twice counts once, with its best metric', (t) => {
  const twice = [
    gateway('192.168.1.1', 'a', 600),
    gateway('192.168.1.1', 'a', 100),
    gateway('192.168.1.1', 'b', 700),
  ]
  t.deepEqual(byMetric(twice), [gateway('192.168.1.1', 'a', 100), gateway('192.168.1.1', 'b', 700)])
})

test('a system that we do not know has no gateways, rather than an error', async (t) => {
  t.deepEqual(await defaultGateways('aix'), [])
})
