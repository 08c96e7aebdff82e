import test from 'ava'
import { runInNamespace, whyNoNamespaces } from '../unit/net/support/namespace.ts'

// What only real routers can show, in network namespaces that have no way out of this machine. The network is drawn in
// router-chain.ts, what happens in it is in router-chain-main.ts.

const skipReason = whyNoNamespaces()
if (skipReason !== undefined) console.log(`skipped: ${skipReason}`)
const script = new URL('../unit/net/support/router-chain-main.js', import.meta.url)
const report: unknown = skipReason === undefined ? await runInNamespace(script) : undefined

function fact(name: string): unknown {
  return typeof report === 'object' && report !== null ? Reflect.get(report, name) : undefined
}

const behindRouters = skipReason === undefined ? test : test.skip

test('the network of this file can be made, or a reason why not is printed', (t) => {
  t.true(skipReason !== undefined || report !== undefined)
})

behindRouters('finds both default gateways of the real routing tables, best metric first', (t) => {
  t.deepEqual(fact('gateways'), [
    { family: 'ipv4', ip: '192.168.1.1', interfaceName: 'client0', metric: 100 },
    { family: 'ipv6', ip: '2001:db8:1::1', interfaceName: 'client0', metric: 1024 },
  ])
  t.deepEqual(fact('gatewaysWithoutRoutes'), [])
})

behindRouters('lists the interface with prefix lengths and zones, and not loopback', (t) => {
  t.like(fact('interfaces'), [
    {
      name: 'client0',
      addresses: [
        { family: 'ipv4', ip: '192.168.1.2', prefixLength: 24 },
        { family: 'ipv6', ip: '2001:db8:1::2', prefixLength: 64 },
        { family: 'ipv6', prefixLength: 64 },
      ],
    },
  ])
  t.regex(JSON.stringify(fact('interfaces')), /"fe80::[0-9a-f:]+%client0"/)
})

for (const name of ['linkLocal', 'linkLocalFromStreamUdp']) {
  behindRouters(`link-local addresses keep their zone everywhere: ${name}`, (t) => {
    const seen = fact(name)
    const own: unknown = typeof seen === 'object' && seen !== null ? Reflect.get(seen, 'own') : undefined
    t.regex(String(own), /^fe80::[0-9a-f:]+%client0$/)
    t.deepEqual(seen, { own, local: own, from: own, source: own })
  })
}

behindRouters('knows the source IP towards the server, and that there is none without a route', (t) => {
  t.deepEqual(fact('sourceIps'), ['192.168.1.2', '2001:db8:1::2'])
  t.deepEqual(fact('sourceIpsWithoutRoutes'), [null, null])
})

behindRouters(
  'a TTL holds for its own packet only: too small a one dies on the way, the next packet does not',
  (t) => {
    t.deepEqual(fact('arrived'), ['ready', 'ordinary', 'ttl 3', 'end'])
    t.deepEqual(fact('arrived6'), ['ready', 'ordinary', 'ttl 3', 'end'])
    t.deepEqual(fact('arrivedFromStreamUdp'), ['ready', 'ordinary', 'ttl 3', 'end'])
    t.deepEqual(fact('arrived6FromStreamUdp'), ['ready', 'ordinary', 'ttl 3', 'end'])
  },
)

behindRouters(
  'a packet with its own TTL is refused while the send buffer is full, and the socket recovers',
  (t) => {
    t.deepEqual(fact('congestion'), { sentSome: true, whileFull: ['EAGAIN', 'EAGAIN'], recovered: true })
  },
)

behindRouters('without a route, datagrams and connections fail with ENETUNREACH', (t) => {
  t.deepEqual(fact('sendCodesWithoutRoutes'), ['ENETUNREACH', 'ENETUNREACH'])
  t.is(fact('connectCodeWithoutRoutes'), 'ENETUNREACH')
})

const withPing = skipReason === undefined && fact('hops') !== null ? test : test.skip
if (skipReason === undefined && fact('hops') === null) console.log('skipped traces: this system has no ping')

const hop = (ttl: number, ip: string | null, reached = false) => ({ ttl, ip, reached })

withPing('traces the routers to the server, in both families', (t) => {
  t.deepEqual(fact('hops'), [hop(1, '192.168.1.1'), hop(2, '10.0.0.2'), hop(3, '203.0.113.9', true)])
  t.deepEqual(fact('hops6'), [
    hop(1, '2001:db8:1::1'),
    hop(2, '2001:db8:2::2'),
    hop(3, '2001:db8:3::9', true),
  ])
})

withPing('traces as far as somebody answers, and nowhere without a route', (t) => {
  const silent = [3, 4, 5, 6].map((ttl) => hop(ttl, null))
  t.deepEqual(fact('hopsToNobody'), [hop(1, '192.168.1.1'), hop(2, '10.0.0.2'), ...silent])
  t.deepEqual(
    fact('hopsWithoutRoutes'),
    [1, 2, 3, 4, 5, 6].map((ttl) => hop(ttl, null)),
  )
})

withPing('an aborted trace rejects with the reason', (t) => {
  t.is(fact('tracesAborted'), 'enough')
})
