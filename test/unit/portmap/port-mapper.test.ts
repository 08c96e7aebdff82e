import test from 'ava'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { ReachError } from '../../../lib/base/errors.ts'
import type { GatewayMapper, MapperFactory } from '../../../lib/portmap/gateway-mapper.ts'
import type { PortRequest } from '../../../lib/portmap/lease-state.ts'
import { natPmpMapper } from '../../../lib/portmap/nat-pmp-mapper.ts'
import { pcpMapper } from '../../../lib/portmap/pcp-mapper.ts'
import type { MapOptions, PortMapperSetup } from '../../../lib/portmap/port-mapper.ts'
import { PortMapper } from '../../../lib/portmap/port-mapper.ts'
import { newNonce } from '../../../lib/portmap/mapping-request.ts'
import type { MappingGrant } from '../../../lib/protocol/port-mapping/mapping.ts'
import { CLIENT_IP, FakeLan, GATEWAY_IP, GATEWAY_IP6 } from '../../support/fake-lan.ts'
import { MemoryJournal } from '../../support/memory-journal.ts'

const REQUEST: PortRequest = { transport: 'tcp', port: 8_080 }

/** A UPnP of a few lines: it grants after a while, and knows what it was asked for. */
function fakeUpnp(prepareMs: number) {
  const asked: string[] = []
  const factory: MapperFactory = ({ runtime, gateway }) => {
    const mapper: GatewayMapper = {
      protocol: 'upnp',
      gatewayIp: gateway.ip,
      onReset: undefined,
      async prepare(signal) {
        asked.push('prepare')
        await new Promise<void>((resolve, reject) => {
          const timer = runtime.clock.setTimer(prepareMs, resolve)
          signal?.addEventListener('abort', () => {
            timer.cancel()
            reject(signal.reason)
          })
        })
      },
      map({ internal, externalPort = internal.port, lifetimeS }) {
        asked.push('map')
        const externalIp = '203.0.113.50'
        return Promise.resolve({
          ...{
            protocol: 'upnp',
            gatewayIp: gateway.ip,
            internal,
            externalIp,
            externalPort,
            lifetimeS,
            keep: {},
          },
        })
      },
      renew: (grant) => Promise.resolve(grant),
      unmap() {
        asked.push('unmap')
        return Promise.resolve()
      },
      close: () => undefined,
    }
    return mapper
  }
  return { factory, asked }
}

function setUp(setup: Partial<PortMapperSetup> = {}) {
  const lan = new FakeLan()
  const mapper = new PortMapper({ runtime: lan.runtime, ...setup })
  const map = (request: PortRequest = REQUEST, options: Partial<MapOptions> = {}) =>
    lan.run(mapper.map(request, { nonce: newNonce(lan.runtime), ...options }))
  return { lan, mapper, map }
}

const kinds = (heard: readonly string[]) => [...new Set(heard.filter((kind) => kind.endsWith('map')))]

test('PCP is asked where it is spoken, and nobody else', async (t) => {
  const upnp = fakeUpnp(0)
  const { lan, mapper, map } = setUp({ factories: [upnp.factory, natPmpMapper, pcpMapper] })
  const server = lan.addGateway()
  t.is((await map()).protocol, 'pcp')
  t.deepEqual(kinds(server.heard), ['pcp-map'])
  t.deepEqual(upnp.asked, ['prepare'])
  await lan.run(mapper.close())
})

test('NAT-PMP where PCP is not, UPnP where neither is', async (t) => {
  const upnp = fakeUpnp(50)
  const { lan, map } = setUp({ factories: [pcpMapper, natPmpMapper, upnp.factory] })
  const server = lan.addGateway({ pcp: false })
  t.is((await map()).protocol, 'nat-pmp')
  server.behavior.natPmp = false
  t.is((await map()).protocol, 'upnp')
  t.deepEqual(kinds(server.heard), ['nat-pmp-map'])
})

test('a better protocol has a short grace, and no more', async (t) => {
  const upnp = fakeUpnp(10)
  const { lan, map } = setUp({ factories: [pcpMapper, upnp.factory] })
  const server = lan.addGateway({ delayMs: 100 })
  t.is((await map()).protocol, 'pcp')
  server.behavior.delayMs = 400
  const startMs = lan.clock.nowMs()
  t.is((await map()).protocol, 'upnp')
  t.is(lan.clock.nowMs() - startMs, 210)
})

test('a protocol that refuses is followed by the next, and one that does not answer is cleaned up after', async (t) => {
  const upnp = fakeUpnp(0)
  const { lan, map } = setUp({ factories: [pcpMapper, natPmpMapper, upnp.factory] })
  const server = lan.addGateway({ pcpResult: 2 })
  t.is((await map()).protocol, 'nat-pmp')
  server.behavior.pcpResult = 0
  server.behavior.spoil = (answer) =>
    answer.length >= 16 && answer.length !== 24 ? new Uint8Array(1) : answer
  t.is((await map()).protocol, 'upnp')
  t.deepEqual(server.mappings, [])
})

test('nothing answers: decided within 3 s, as ERR_REACH_NO_GATEWAY; as when there is no gateway', async (t) => {
  const { lan, map } = setUp()
  await t.throwsAsync(map(), { code: 'ERR_REACH_NO_GATEWAY' })
  lan.addGateway({ losses: Infinity })
  const startMs = lan.clock.nowMs()
  await t.throwsAsync(map(), { code: 'ERR_REACH_NO_GATEWAY' })
  t.true(lan.clock.nowMs() - startMs <= 3_000)
  t.is(lan.openSockets, 0)
  t.is(lan.clock.pendingTimers, 0)
})

test('what was refused is told rather than that others were silent', async (t) => {
  const { lan, map } = setUp()
  lan.addGateway({ natPmp: false, pcpResult: 8 })
  await t.throwsAsync(map(), { code: 'ERR_REACH_MAPPING_REFUSED' })
})

test('exactly this port: another one that is granted is removed again', async (t) => {
  const { lan, map } = setUp()
  const server = lan.addGateway()
  server.occupy(9_000)
  const request = { ...REQUEST, externalPort: 9_000, acceptsOtherPort: false }
  const error = await t.throwsAsync(map(request), { code: 'ERR_REACH_MAPPING_REFUSED' })
  t.like(error, { details: { externalPort: 9_000, grantedPort: 9_001 } })
  t.deepEqual(
    server.mappings.map(({ externalPort }) => externalPort),
    [9_000],
  )
  t.is((await map({ ...request, acceptsOtherPort: true })).externalPort, 9_001)
})

test('of two gateways the better protocol wins, and the loser’s mapping is removed', async (t) => {
  const { lan, mapper, map } = setUp()
  const worse = lan.addGateway({ pcp: false })
  const better = lan.addGateway({ delayMs: 60 }, '192.168.1.2')
  const grant = await map()
  t.like(grant, { protocol: 'pcp', gatewayIp: '192.168.1.2' })
  await lan.run(mapper.close())
  t.is(better.mappings.length, 1)
  t.deepEqual(worse.mappings, [])
  t.true(worse.heard.includes('nat-pmp-unmap'))
})

test('a gateway that is too late has its mapping removed when it comes', async (t) => {
  const { lan, mapper, map } = setUp()
  lan.addGateway()
  const late = lan.addGateway({ delayMs: 300 }, '192.168.1.2')
  t.is((await map()).gatewayIp, GATEWAY_IP)
  await lan.pass(2_000)
  await lan.run(mapper.close())
  t.deepEqual(late.mappings, [])
  t.true(late.heard.includes('pcp-unmap'))
})

test('an abort in the middle leaves nothing at the gateway', async (t) => {
  const { lan, mapper } = setUp()
  const server = lan.addGateway({ delayMs: 50 })
  const stop = new AbortController()
  const mapping = mapper.map(REQUEST, { nonce: newNonce(lan.runtime), signal: stop.signal })
  await lan.pass(80)
  t.is(server.mappings.length, 1)
  stop.abort(new Error('enough'))
  await t.throwsAsync(lan.run(mapping), { message: 'enough' })
  await lan.run(mapper.close())
  t.deepEqual(server.mappings, [])
})

test('IPv6 asks IPv6 gateways, from the global address', async (t) => {
  const { lan, map } = setUp()
  lan.addGateway()
  const server = lan.addGateway({}, GATEWAY_IP6)
  const grant = await map({ ...REQUEST, family: 'ipv6' })
  t.like(grant, { gatewayIp: GATEWAY_IP6, externalIp: '2001:db8:1::10' })
  t.is(server.mappings.length, 1)
})

test('what may be granted is told before it is asked for', async (t) => {
  const { lan, map } = setUp()
  const server = lan.addGateway()
  let claims: readonly MappingGrant[] = []
  await map(REQUEST, {
    onAsking: (told) => {
      t.deepEqual(server.heard, [])
      claims = told
      return Promise.resolve()
    },
  })
  t.deepEqual(
    claims.map(({ protocol }) => protocol),
    ['pcp', 'nat-pmp'],
  )
})

test('what a crashed process left is removed before anything is mapped; silence leaves it noted', async (t) => {
  const journal = new MemoryJournal()
  const { lan, map } = setUp({ journal })
  const server = lan.addGateway()
  const old = await map({ ...REQUEST, port: 7_000 })
  const elsewhere = { ...old, gatewayIp: '192.168.7.1' }
  journal.leftBehind = [old, elsewhere]
  const next = new PortMapper({ runtime: lan.runtime, journal })
  await lan.run(next.map(REQUEST, { nonce: newNonce(lan.runtime) }))
  t.deepEqual(
    server.mappings.map(({ internal }) => internal.port),
    [8_080],
  )
  // A gateway that is none of ours is not written to.
  t.deepEqual(journal.leftBehind, [elsewhere])
  t.true(lan.sent.every(({ ip }) => ip === GATEWAY_IP))
})

test('a mapping has one owner, in this process and among those of one home', async (t) => {
  const journal = new MemoryJournal()
  const { mapper } = setUp({ journal })
  const disown = await mapper.own(REQUEST)
  await t.throwsAsync(mapper.own(REQUEST), { code: 'ERR_REACH_MAPPING_REFUSED' })
  await t.notThrowsAsync(mapper.own({ ...REQUEST, transport: 'udp' }))
  await t.notThrowsAsync(mapper.own({ ...REQUEST, family: 'ipv6' }))
  disown()
  await t.notThrowsAsync(mapper.own(REQUEST))
  journal.heldElsewhere.add('ipv4/tcp/9000')
  await t.throwsAsync(mapper.own({ ...REQUEST, port: 9_000 }), { code: 'ERR_REACH_MAPPING_REFUSED' })
})

test('it hears gateways while somebody watches, and is silent and closed otherwise', async (t) => {
  const { lan, mapper, map } = setUp()
  const server = lan.addGateway()
  await map()
  const sentBefore = lan.sent.length
  const events: string[] = []
  const unwatch = mapper.watch(({ kind }) => events.push(kind))
  await lan.pass(60_000)
  t.is(lan.sent.length, sentBefore)
  t.true(lan.openSockets > 0)
  lan.announce(server.announcements(), GATEWAY_IP)
  await lan.pass(10)
  t.deepEqual(events, [])
  lan.announce(server.restart(), '192.168.1.66')
  await lan.pass(10)
  t.deepEqual(events, [])
  lan.announce([...server.announcements(), Uint8Array.of(2, 0x80, 0)], GATEWAY_IP)
  await lan.pass(10)
  t.true(events.includes('gateway-reset'))
  unwatch()
  t.is(lan.openSockets, 0)
  await lan.pass(10_000)
  t.is(lan.clock.pendingTimers, 0)
})

test('a grant of a gateway that is no longer ours can be neither renewed nor removed', async (t) => {
  const { lan, mapper, map } = setUp()
  lan.addGateway()
  const grant = await map()
  lan.gateways = []
  await t.throwsAsync(lan.run(mapper.renew(grant, 60)), { code: 'ERR_REACH_NO_GATEWAY' })
  await t.throwsAsync(lan.run(mapper.unmap(grant)), { code: 'ERR_REACH_NO_GATEWAY' })
  t.true(ReachError.is(await mapper.unmap(grant).catch((error: unknown) => error)))
})

test('a second mapping is made beside a grant, at the same gateway over the same protocol', async (t) => {
  const { lan, mapper, map } = setUp()
  const server = lan.addGateway()
  const grant = await map()
  const internal = transportAddress(CLIENT_IP, 9_999, 'tcp')
  const second = await lan.run(mapper.mapBeside(grant, { internal, lifetimeS: 60 }))
  t.like(second, { protocol: 'pcp', internal, lifetimeS: 60 })
  t.not(second.keep.nonce, grant.keep.nonce)
  t.is(server.mappings.length, 2)
})

test('what means all ports, or a removal, to a gateway is refused before anything is sent', async (t) => {
  const { lan, map } = setUp()
  lan.addGateway()
  for (const port of [0, -1, 1.5, 65_536]) {
    await t.throwsAsync(map({ ...REQUEST, port }), { code: 'ERR_REACH_ADDRESS' })
    await t.throwsAsync(map({ ...REQUEST, externalPort: port }), { code: 'ERR_REACH_ADDRESS' })
  }
  for (const lifetimeS of [0, -1, 0.5, 2 ** 32, Number.NaN])
    await t.throwsAsync(map({ ...REQUEST, lifetimeS }), { instanceOf: RangeError })
  t.deepEqual(lan.sent, [])
})

test('a program that has the port of announcements does not keep anybody from mapping', async (t) => {
  const { lan, mapper, map } = setUp()
  lan.addGateway()
  lan.takenPorts.add(5_350)
  const unwatch = mapper.watch(() => t.fail())
  t.is((await map()).protocol, 'pcp')
  t.is(lan.openSockets, 0)
  unwatch()
})

test('once one protocol has mapped the port, nobody looks for others any more', async (t) => {
  const { lan, map } = setUp({ factories: [pcpMapper, fakeUpnp(1_000).factory] })
  lan.addGateway()
  t.is((await map()).protocol, 'pcp')
  t.is(lan.clock.pendingTimers, 0)
})
