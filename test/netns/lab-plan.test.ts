import test from 'ava'
import fc from 'fast-check'
import { parsePrefix, prefixContains, prefixOf } from '../../cli/demo/lab/address-plan.ts'
import { gatewayRuleset } from '../../cli/demo/lab/gateway-ruleset.ts'
import { linkPlan } from '../../cli/demo/lab/link-plan.ts'
import { accessSetup } from '../../cli/demo/lab/router.ts'
import { SITE_RECIPES } from '../../cli/demo/lab/site-kinds.ts'
import { siteLayout } from '../../cli/demo/lab/site-layout.ts'
import { MAX_SITES, sitePlan } from '../../cli/demo/lab/site-plan.ts'
import { siteTruth } from '../../cli/demo/lab/site-truth.ts'

/* The parts of the lab that only compute. These run everywhere. */

const ipv4 = fc.integer({ min: 0, max: 0xffffffff })
const dotted = (address: number) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')

test('an address is in a prefix exactly when their first bits are equal', (t) => {
  fc.assert(
    fc.property(ipv4, ipv4, fc.integer({ min: 0, max: 32 }), (a, b, bits) => {
      const first = (address: number) => BigInt(address) >> BigInt(32 - bits)
      return prefixContains({ ip: dotted(a), bits }, dotted(b)) === (first(a) === first(b))
    }),
  )
  t.true(prefixContains({ ip: '100.64.0.1', bits: 10 }, '100.127.255.255'))
  t.false(prefixContains({ ip: '100.64.0.1', bits: 10 }, '100.128.0.0'))
  t.true(prefixContains({ ip: '2001:db8:0:1::1', bits: 64 }, '2001:db8:0:1:ffff::'))
  t.false(prefixContains({ ip: '::', bits: 0 }, '1.2.3.4'))
})

test('what is not ADDRESS/BITS is refused', (t) => {
  for (const text of ['192.0.2.1', '192.0.2.1/33', '192.0.2.1/-1', '192.0.2.1/', '192.0.2.1/2\n']) {
    t.throws(() => parsePrefix(text), { instanceOf: RangeError }, JSON.stringify(text))
  }
  t.throws(() => parsePrefix('example/24'), { code: 'ERR_REACH_ADDRESS' })
  t.throws(() => prefixOf([{ ip: '192.0.2.1', bits: 24 }], '203.0.113.1'), {
    message: /in no prefix of this router: 192/,
  })
})

test('IPv6 addresses can be the source of a route as soon as they are given', (t) => {
  const ips = ['203.0.113.9', '2001:db8::9']
  for (const kind of ['routed', 'bridged'] as const) {
    const access = { kind, prefixes: ['203.0.113.1/24', '2001:db8::1/64'].map(parsePrefix) }
    const { router, node } = linkPlan(access, 'port1', { ips })
    const given = [...accessSetup(access), ...router, ...node].filter((line) => line.startsWith('addr '))
    t.is(given.length, kind === 'routed' ? 6 : 4)
    for (const line of given) t.is(line.endsWith(' nodad'), /[0-9a-f]:/.test(line), line)
  }
})

test('no two sites share an address, and all fit the internet of the lab', (t) => {
  const plans = Array.from({ length: MAX_SITES }, (_, index) => sitePlan(index + 1, index + 1, 3))
  const all = plans.flatMap((plan) => [
    ...plan.publicIps,
    plan.routedIp,
    plan.hostIp,
    plan.wanIpv6,
    plan.hostIpv6,
  ])
  t.is(new Set(all).size, all.length)
  const internet = ['203.0.113.1/24', '198.51.100.1/24', '2001:db8:0:1::1/64'].map(parsePrefix)
  for (const { publicIps, routedIp, wanIpv6 } of plans) {
    for (const ip of [...publicIps, routedIp, wanIpv6]) t.notThrows(() => prefixOf(internet, ip))
  }
  for (const number of [0, MAX_SITES + 1, 1.5])
    t.throws(() => sitePlan(number, 1, 1), { instanceOf: RangeError })
})

test('two layers are as strict as the stricter one, and the outer one gives the ports', (t) => {
  const plan = sitePlan(1, 1, 1)
  const truth = siteTruth(
    {
      shape: 'home',
      nat: { mapping: 'endpoint-independent', ports: 'preserving', filtering: 'address-dependent' },
      carrier: { mapping: 'address-dependent', filtering: 'endpoint-independent' },
    },
    plan,
  )
  t.like(truth.ipv4, {
    mapping: 'address-dependent',
    filtering: 'address-dependent',
    portAllocation: { kind: 'random' },
    publicIps: ['203.0.113.50'],
  })
  t.like(truth, { natLayers: 2, cgn: true, routersToServer: 3 })
})

test('every address of every kind of site belongs to the router it hangs on', (t) => {
  for (const recipe of Object.values(SITE_RECIPES)) {
    const plan = sitePlan(1, 1, 3)
    const { gateways, hostIps } = siteLayout(recipe, plan)
    const innermost = gateways.at(-1)?.options
    const prefixes = (innermost?.lan ?? ['203.0.113.1/24']).map(parsePrefix)
    t.notThrows(() => linkPlan({ kind: innermost?.access ?? 'bridged', prefixes }, 'port1', { ips: hostIps }))
  }
})

test('a bridge takes no routes, and an IPv4 route needs an IPv4 neighbour', (t) => {
  const prefixes = ['192.168.1.1/24', '2001:db8::1/64'].map(parsePrefix)
  const routes = ['203.0.113.60/32']
  t.throws(() => linkPlan({ kind: 'bridged', prefixes }, 'port1', { ips: ['192.168.1.2'], routes }), {
    instanceOf: RangeError,
  })
  t.throws(() => linkPlan({ kind: 'routed', prefixes }, 'port1', { ips: ['2001:db8::2'], routes }), {
    instanceOf: RangeError,
  })
})

test('only gateways that translate have a translation table', (t) => {
  const base = {
    wanIpv4: ['203.0.113.50'],
    egress: { kind: 'all' },
    wanInput: 'drop',
    udpLifetimeS: 30,
    pmtuBlackhole: false,
  } as const
  t.notRegex(gatewayRuleset({ ...base, nat: undefined }), /type nat|masquerade/)
  const rules = gatewayRuleset({
    ...base,
    nat: { mapping: 'address-dependent', filtering: 'address-and-port-dependent' },
  })
  t.regex(rules, /masquerade to :2048-2247\n/)
  t.notRegex(rules, /dnat ip to/)
})
