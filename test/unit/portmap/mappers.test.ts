import test from 'ava'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import type { AnnouncementHearer } from '../../../lib/portmap/announcements.ts'
import type { GatewayMapper, MapperSetup } from '../../../lib/portmap/gateway-mapper.ts'
import { NatPmpMapper, natPmpMapper } from '../../../lib/portmap/nat-pmp-mapper.ts'
import { PcpMapper } from '../../../lib/portmap/pcp-mapper.ts'
import type { MappingRequest } from '../../../lib/protocol/port-mapping/mapping.ts'
import { CLIENT_IP, CLIENT_IP6, FakeLan, GATEWAY_IP, GATEWAY_IP6 } from '../../support/fake-lan.ts'
import type { FakeServerBehavior } from '../../support/fake-mapping-server.ts'

const REQUEST: MappingRequest = {
  internal: transportAddress(CLIENT_IP, 8_080, 'tcp'),
  externalPort: undefined,
  acceptsOtherPort: true,
  lifetimeS: 7_200,
  nonce: '00112233445566778899aabb',
}
const REFUSED = { code: 'ERR_REACH_MAPPING_REFUSED' } as const
const SILENT = { code: 'ERR_REACH_TIMEOUT' } as const

type Hearing = GatewayMapper & AnnouncementHearer

const MAPPERS = {
  pcp: (setup: MapperSetup): Hearing => new PcpMapper(setup),
  'nat-pmp': (setup: MapperSetup): Hearing => new NatPmpMapper(setup),
} as const
type Name = keyof typeof MAPPERS

function setUp(name: Name, behavior: Partial<FakeServerBehavior> = {}) {
  const lan = new FakeLan()
  const server = lan.addGateway(behavior)
  const [gateway] = lan.gateways
  if (gateway === undefined) throw new Error('there is no gateway')
  const mapper = MAPPERS[name]({ runtime: lan.runtime, gateway, clientIp: CLIENT_IP })
  let resets = 0
  mapper.onReset = () => resets++
  return { lan, server, mapper, resets: () => resets }
}

for (const name of ['pcp', 'nat-pmp'] as const) {
  test(`${name}: maps, renews and removes a port, and leaves no socket`, async (t) => {
    const { lan, server, mapper } = setUp(name)
    await lan.run(mapper.prepare())
    const grant = await lan.run(mapper.map(REQUEST))
    t.like(grant, {
      protocol: name,
      gatewayIp: GATEWAY_IP,
      internal: REQUEST.internal,
      externalIp: '203.0.113.50',
      externalPort: 8_080,
      lifetimeS: 7_200,
    })
    t.is(server.mappings.length, 1)
    await lan.pass(3_600_000)
    t.is((await lan.run(mapper.renew(grant, 7_200))).externalPort, 8_080)
    await lan.pass(5_000_000)
    t.is(server.mappings.length, 1)
    await lan.run(mapper.unmap(grant))
    t.deepEqual(server.mappings, [])
    await lan.run(mapper.unmap(grant)) // gone already
    t.is(lan.openSockets, 0)
    t.is(lan.clock.pendingTimers, 0)
  })

  test(`${name}: what is granted is what is answered: other port, shorter lifetime`, async (t) => {
    const { lan, server, mapper } = setUp(name, { maxLifetimeS: 600 })
    server.occupy(9_000)
    const grant = await lan.run(mapper.map({ ...REQUEST, externalPort: 9_000 }))
    t.is(grant.externalPort, 9_001)
    t.is(grant.lifetimeS, 600)
  })

  test(`${name}: lost requests are repeated`, async (t) => {
    const { lan, mapper } = setUp(name, { losses: 2 })
    t.is((await lan.run(mapper.map(REQUEST))).externalPort, 8_080)
  })

  test(`${name}: silence is decided within 1.5 s, for looking and for asking`, async (t) => {
    const { lan, mapper } = setUp(name, { losses: Infinity })
    const questions: readonly (() => Promise<unknown>)[] = [() => mapper.prepare(), () => mapper.map(REQUEST)]
    for (const ask of questions) {
      const startMs = lan.clock.nowMs()
      await t.throwsAsync(lan.run(ask()), SILENT)
      t.true(lan.clock.nowMs() - startMs <= 1_500)
    }
    t.is(lan.openSockets, 0)
  })

  test(`${name}: answers from another port of the gateway don't count`, async (t) => {
    const { lan, mapper } = setUp(name, { answersFromPort: 5_350 })
    await t.throwsAsync(lan.run(mapper.prepare()), SILENT)
    await t.throwsAsync(lan.run(mapper.map(REQUEST)), SILENT)
  })

  test(`${name}: answers to another internal port or protocol don't count`, async (t) => {
    const { lan, mapper } = setUp(name, {
      spoil: (answer) => {
        const spoilt = Uint8Array.from(answer)
        const at = name === 'pcp' ? 41 : 9
        if (spoilt.length > 12) spoilt[at] = (spoilt[at] ?? 0) ^ 1
        return spoilt
      },
    })
    await t.throwsAsync(lan.run(mapper.map(REQUEST)), SILENT)
  })

  test(`${name}: a refusal tells the gateway's own code`, async (t) => {
    const { lan, mapper } = setUp(name, { pcpResult: 8, natPmpResult: 4 })
    const error = await t.throwsAsync(lan.run(mapper.map(REQUEST)), REFUSED)
    t.like(error, { details: { protocol: name, gatewayIp: GATEWAY_IP, resultCode: name === 'pcp' ? 8 : 4 } })
  })

  test(`${name}: a grant of port 0 is none`, async (t) => {
    const { lan, mapper } = setUp(name, {
      spoil: (answer) => {
        const spoilt = Uint8Array.from(answer)
        if (spoilt.length > 12) spoilt.fill(0, name === 'pcp' ? 42 : 10, name === 'pcp' ? 44 : 12)
        return spoilt
      },
    })
    await t.throwsAsync(lan.run(mapper.map(REQUEST)), REFUSED)
  })

  test(`${name}: a gateway that has lost its state is told of, by its next answer or its announcement`, async (t) => {
    const { lan, server, mapper, resets } = setUp(name)
    const grant = await lan.run(mapper.map(REQUEST))
    await lan.pass(60_000)
    await lan.run(mapper.renew(grant, 7_200))
    t.is(resets(), 0)
    server.restart()
    await lan.run(mapper.renew(grant, 7_200))
    t.is(resets(), 1)
    await lan.pass(60_000)
    const [packet] = server.restart().filter((bytes) => (bytes[0] === 2) === (name === 'pcp'))
    if (packet === undefined) return t.fail()
    mapper.hear({ bytes: packet, from: transportAddress('192.168.1.66', 5351) })
    mapper.hear({ bytes: packet, from: transportAddress(GATEWAY_IP, 5350) })
    t.is(resets(), 1)
    mapper.hear({ bytes: packet, from: transportAddress(GATEWAY_IP, 5351) })
    t.is(resets(), 2)
  })

  test(`${name}: a signal ends it at once`, async (t) => {
    const { lan, mapper } = setUp(name, { losses: Infinity })
    const stop = new AbortController()
    const mapping = mapper.map(REQUEST, stop.signal)
    await lan.pass(100)
    stop.abort(new Error('enough'))
    await t.throwsAsync(lan.run(mapping), { message: 'enough' })
    await t.throwsAsync(lan.run(mapper.prepare(stop.signal)), { message: 'enough' })
    t.is(lan.openSockets, 0)
    t.is(lan.clock.pendingTimers, 0)
  })
}

test('pcp: answers with another nonce are not for us (RFC 6887 §11.4)', async (t) => {
  const { lan, mapper } = setUp('pcp', {
    spoil: (answer) => {
      const spoilt = Uint8Array.from(answer)
      if (spoilt.length >= 36) spoilt[24] = (spoilt[24] ?? 0) ^ 1
      return spoilt
    },
  })
  await t.throwsAsync(lan.run(mapper.map(REQUEST)), SILENT)
})

test('pcp: another nonce can neither renew nor remove the mapping, where the server looks', async (t) => {
  const { lan, server, mapper } = setUp('pcp')
  const grant = await lan.run(mapper.map(REQUEST))
  const stranger = { ...grant, keep: { nonce: 'ffffffffffffffffffffffff' } }
  await t.throwsAsync(lan.run(mapper.renew(stranger, 60)), REFUSED)
  await t.throwsAsync(lan.run(mapper.unmap(stranger)), REFUSED)
  t.is(server.mappings.length, 1)
})

test('pcp: "this port or none" is asked for as PREFER_FAILURE (RFC 6887 §13.2)', async (t) => {
  const { lan, server, mapper } = setUp('pcp', { heedsPreferFailure: true })
  server.occupy(9_000)
  const exactly = { ...REQUEST, externalPort: 9_000, acceptsOtherPort: false }
  await t.throwsAsync(lan.run(mapper.map(exactly)), REFUSED)
  t.is(server.mappings.length, 1)
  t.is((await lan.run(mapper.map({ ...exactly, externalPort: 9_002 }))).externalPort, 9_002)
})

test('pcp: servers that don’t know PREFER_FAILURE are asked without it', async (t) => {
  let first = true
  const { lan, mapper } = setUp('pcp', {
    spoil: (answer) => {
      if (!first) return answer
      first = false
      const spoilt = Uint8Array.from(answer)
      spoilt[3] = 5
      return spoilt
    },
  })
  const grant = await lan.run(mapper.map({ ...REQUEST, externalPort: 9_000, acceptsOtherPort: false }))
  t.is(grant.externalPort, 9_000)
})

test('pcp: a server of NAT-PMP alone says so (RFC 6887 Appendix A)', async (t) => {
  const { lan, mapper } = setUp('pcp', { pcp: false })
  await t.throwsAsync(lan.run(mapper.prepare()), REFUSED)
})

test('pcp: opens pinholes over IPv6, from the global address to a link-local gateway', async (t) => {
  const lan = new FakeLan()
  const server = lan.addGateway({}, GATEWAY_IP6)
  const [gateway] = lan.gateways
  if (gateway === undefined) return t.fail()
  const mapper = new PcpMapper({ runtime: lan.runtime, gateway, clientIp: CLIENT_IP6 })
  const internal = transportAddress(CLIENT_IP6, 443, 'udp')
  const grant = await lan.run(mapper.map({ ...REQUEST, internal }))
  t.like(grant, { externalIp: CLIENT_IP6, externalPort: 443, gatewayIp: GATEWAY_IP6 })
  t.is(server.mappings.length, 1)
  t.is(natPmpMapper({ runtime: lan.runtime, gateway, clientIp: CLIENT_IP6 }), undefined)
})

test('nat-pmp: a restart that is announced over PCP alone is one', async (t) => {
  const { lan, server, mapper, resets } = setUp('nat-pmp')
  await lan.run(mapper.map(REQUEST))
  await lan.pass(60_000)
  const hear = (packets: readonly Uint8Array[]) => {
    const [bytes] = packets.filter((packet) => packet[0] === 2)
    if (bytes !== undefined) mapper.hear({ bytes, from: transportAddress(GATEWAY_IP, 5351) })
  }
  hear(server.announcements())
  t.is(resets(), 0)
  hear(server.restart())
  t.is(resets(), 1)
})

test('nat-pmp: an address that changes is a reset, too (RFC 6886 §3.2.1)', async (t) => {
  const { lan, server, mapper, resets } = setUp('nat-pmp')
  await lan.run(mapper.map(REQUEST))
  server.behavior.externalIp = '203.0.113.51'
  const [packet] = server.announcements()
  if (packet === undefined) return t.fail()
  mapper.hear({ bytes: packet, from: transportAddress(GATEWAY_IP, 5351) })
  mapper.hear({ bytes: packet, from: transportAddress(GATEWAY_IP, 5351) })
  t.is(resets(), 1)
})

test('nat-pmp: without its outer address a mapping is made all the same', async (t) => {
  const { lan, mapper } = setUp('nat-pmp', {
    spoil: (answer) => (answer.length === 12 ? new Uint8Array(1) : answer),
  })
  const grant = await lan.run(mapper.map(REQUEST))
  t.is(grant.externalIp, undefined)
  t.is(grant.externalPort, 8_080)
})
