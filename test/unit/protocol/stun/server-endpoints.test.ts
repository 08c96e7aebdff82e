import test from 'ava'
import { formatAddress } from '../../../../lib/base/transport-address.ts'
import { stunEndpoints } from '../../../../lib/protocol/stun/server-endpoints.ts'

const list = (...families: Parameters<typeof stunEndpoints>[0]) =>
  stunEndpoints(families).map(({ local }) => formatAddress(local))

test('numbers the grid: primary, other port, other IP, both, one family after the other', (t) => {
  t.deepEqual(
    list(
      { ip: '203.0.113.1', port: 1, alternateIp: '203.0.113.2', alternatePort: 2 },
      { ip: '2001:DB8::1', port: 1, alternatePort: 2 },
    ),
    [
      '203.0.113.1:1',
      '203.0.113.1:2',
      '203.0.113.2:1',
      '203.0.113.2:2',
      '[2001:db8::1]:1',
      '[2001:db8::1]:2',
    ],
  )
  t.deepEqual(
    stunEndpoints([{ ip: '203.0.113.1', port: 1 }]).map(({ index }) => index),
    [0],
  )
})

test('knows the way from each corner to each other', (t) => {
  const four = stunEndpoints([{ ip: '203.0.113.1', port: 1, alternateIp: '203.0.113.2', alternatePort: 2 }])
  t.deepEqual(
    four.map(({ answersFrom }) => answersFrom),
    [
      [0, 1, 2, 3],
      [1, 0, 3, 2],
      [2, 3, 0, 1],
      [3, 2, 1, 0],
    ],
  )
  const second = stunEndpoints([
    { ip: '203.0.113.1', port: 1 },
    { ip: '2001:db8::1', port: 1, alternatePort: 2 },
  ])
  t.deepEqual(
    second.map(({ answersFrom }) => answersFrom),
    [
      [0, undefined, undefined, undefined],
      [1, 2, undefined, undefined],
      [2, 1, undefined, undefined],
    ],
  )
})

test('refuses grids that make no sense', (t) => {
  const wrong: readonly Parameters<typeof stunEndpoints>[0][] = [
    [{ ip: '203.0.113.1', port: 1, alternateIp: '203.0.113.2' }],
    [{ ip: '203.0.113.1', port: 1, alternatePort: 1 }],
    [{ ip: '203.0.113.1', port: 1, alternateIp: '203.0.113.1', alternatePort: 2 }],
    [{ ip: '0.0.0.0', port: 1, alternateIp: '203.0.113.1', alternatePort: 2 }],
    [
      { ip: '203.0.113.1', port: 1 },
      { ip: '203.0.113.1', port: 1 },
    ],
  ]
  for (const families of wrong) t.throws(() => stunEndpoints(families), { instanceOf: RangeError })
})
