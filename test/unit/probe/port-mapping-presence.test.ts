import test from 'ava'
import type { Gateway, Runtime, UdpSocket } from '../../../lib/base/runtime.ts'
import { ReachError } from '../../../lib/base/errors.ts'
import type { TransportAddress } from '../../../lib/base/transport-address.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import type { PortMappingPresence } from '../../../lib/probe/port-mapping-presence.ts'
import { PORT_MAPPING_TIMEOUT_MS, probePortMapping } from '../../../lib/probe/port-mapping-presence.ts'
import { VirtualInternet } from '../../sim/virtual-internet.ts'
import { hex } from '../../vectors/rfc5769.ts'

const GATEWAY_IP = '192.168.1.1'
const GATEWAY: Gateway = { family: 'ipv4', ip: GATEWAY_IP, interfaceName: 'eth0', metric: 100 }
const MAPPER = transportAddress(GATEWAY_IP, 5351)

const PCP_SUCCESS = hex('02 80 00 00 00000000 00000001 00000000 00000000 00000000')
const PCP_NOT_AUTHORIZED = hex('02 80 00 02 00000000 00000001 00000000 00000000 00000000')
const NAT_PMP_SUCCESS = hex('00 80 0000 00000001 cb007132')
const NAT_PMP_NOT_AUTHORIZED = hex('00 80 0002 00000001 00000000')
const NAT_PMP_NO_ADDRESS = hex('00 80 0000 00000001 00000000')
/** RFC 6886 §3.5: to any other version. */
const NAT_PMP_UNSUPPORTED_VERSION = hex('00 80 0001 00000001')
const IGD = ssdp('urn:schemas-upnp-org:device:InternetGatewayDevice:1')

function ssdp(searchTarget: string): Uint8Array {
  return new TextEncoder().encode(`HTTP/1.1 200 OK\r\nST: ${searchTarget}\r\nSERVER: a router\r\n\r\n`)
}

interface Reply {
  readonly bytes: Uint8Array
  readonly from: TransportAddress
}

/** What the LAN answers to one datagram. */
type Lan = (bytes: Uint8Array, to: TransportAddress) => readonly Reply[]

const isPcp = (bytes: Uint8Array, to: TransportAddress) => to.port === 5351 && bytes[0] === 2
const isNatPmp = (bytes: Uint8Array, to: TransportAddress) => to.port === 5351 && bytes[0] === 0
const isSearch = (_bytes: Uint8Array, to: TransportAddress) => to.port === 1900

interface Probe {
  readonly presence: PortMappingPresence
  readonly tookMs: number
  readonly sent: readonly TransportAddress[]
  readonly open: number
}

/** Probes a LAN on virtual time; answers arrive a millisecond later. */
async function probe(
  lan: Lan,
  gateways: readonly Gateway[] = [GATEWAY],
  signal?: AbortSignal,
): Promise<Probe> {
  const internet = new VirtualInternet({ seed: 1 })
  const { runtime } = internet.host()
  const sent: TransportAddress[] = []
  let open = 0
  const openUdp = (): Promise<UdpSocket> => {
    open++
    const socket: UdpSocket = {
      local: transportAddress('0.0.0.0', 40_000),
      onPacket: undefined,
      onSendError: undefined,
      send(bytes, to) {
        sent.push(to)
        for (const reply of lan(bytes, to)) runtime.clock.setTimer(1, () => socket.onPacket?.(reply))
      },
      close: () => {
        open--
        socket.onPacket = undefined
      },
    }
    return Promise.resolve(socket)
  }
  const faked: Runtime = {
    ...runtime,
    network: {
      setsDontFragment: true,
      openUdp,
      connectTcp: (to, options) => runtime.network.connectTcp(to, options),
      interfaces: () => runtime.network.interfaces(),
      defaultGateways: () => runtime.network.defaultGateways(),
      sourceIpTowards: () => Promise.resolve('192.168.1.10'),
      traceHops: () => Promise.resolve(undefined),
    },
  }
  const startMs = runtime.clock.nowMs()
  const presence = await internet.clock.runUntilSettled(probePortMapping(faked, gateways, signal), 10_000)
  return { presence, tookMs: runtime.clock.nowMs() - startMs, sent, open }
}

test('a gateway that speaks all three is known as soon as it has answered', async (t) => {
  const { presence, tookMs, open } = await probe((bytes, to) => {
    if (isPcp(bytes, to)) return [{ bytes: PCP_SUCCESS, from: MAPPER }]
    if (isNatPmp(bytes, to)) return [{ bytes: NAT_PMP_SUCCESS, from: MAPPER }]
    return [{ bytes: IGD, from: transportAddress(GATEWAY_IP, 1900) }]
  })
  for (const fact of [presence.pcp, presence.natPmp, presence.upnp]) {
    t.is(fact.value, 'available')
    t.is(fact.confidence, 'measured')
    t.is(fact.gateway, GATEWAY_IP)
    t.is(fact.proven, 'unknown')
  }
  t.is(presence.natPmp.externalAddress, '203.0.113.50')
  t.is(tookMs, 1)
  t.is(open, 0)
})

test('refusals are refusals, and no address is not an address', async (t) => {
  const refusing = await probe((bytes, to) => {
    if (isPcp(bytes, to)) return [{ bytes: PCP_NOT_AUTHORIZED, from: MAPPER }]
    return isNatPmp(bytes, to) ? [{ bytes: NAT_PMP_NOT_AUTHORIZED, from: MAPPER }] : []
  })
  t.is(refusing.presence.pcp.value, 'refused')
  t.is(refusing.presence.natPmp.value, 'refused')
  const without = await probe((bytes, to) =>
    isNatPmp(bytes, to) ? [{ bytes: NAT_PMP_NO_ADDRESS, from: MAPPER }] : [],
  )
  t.is(without.presence.natPmp.value, 'available')
  t.is(without.presence.natPmp.externalAddress, undefined)
})

test('a NAT-PMP gateway that answers PCP with version 0 has no PCP (RFC 6887 Appendix A)', async (t) => {
  const { presence } = await probe((bytes, to) => {
    if (isPcp(bytes, to)) return [{ bytes: NAT_PMP_UNSUPPORTED_VERSION, from: MAPPER }]
    return isNatPmp(bytes, to) ? [{ bytes: NAT_PMP_SUCCESS, from: MAPPER }] : []
  })
  t.is(presence.pcp.value, 'absent')
  t.deepEqual(presence.pcp.evidence, ['192.168.1.1 answers as NAT-PMP does, and not in version 2'])
  t.is(presence.natPmp.value, 'available')
  t.is(presence.upnp.value, 'absent')
})

test('silence is taken for absence after four tries and the time for them', async (t) => {
  const { presence, tookMs, sent, open } = await probe(() => [])
  for (const fact of [presence.pcp, presence.natPmp, presence.upnp]) {
    t.is(fact.value, 'absent')
    t.is(fact.confidence, 'inferred')
  }
  t.is(tookMs, PORT_MAPPING_TIMEOUT_MS)
  t.is(sent.filter(({ port }) => port === 5351).length, 8)
  t.is(open, 0)
})

test('only the gateway’s own word counts: other addresses, other ports, public devices and garbage do not', async (t) => {
  const stranger = transportAddress('192.168.1.66', 5351)
  const { presence } = await probe((bytes, to) => {
    if (isPcp(bytes, to))
      return [
        { bytes: PCP_SUCCESS, from: stranger },
        { bytes: PCP_SUCCESS, from: transportAddress(GATEWAY_IP, 5350) },
        { bytes: hex('02'), from: MAPPER },
        { bytes, from: MAPPER },
        { bytes: new Uint8Array(2000), from: MAPPER },
      ]
    if (isNatPmp(bytes, to)) return [{ bytes: NAT_PMP_SUCCESS, from: stranger }]
    return [
      { bytes: IGD, from: transportAddress('203.0.113.66', 1900) },
      { bytes: ssdp('upnp:rootdevice'), from: transportAddress(GATEWAY_IP, 1900) },
      { bytes: hex('ff ff ff'), from: transportAddress(GATEWAY_IP, 1900) },
    ]
  })
  for (const fact of [presence.pcp, presence.natPmp, presence.upnp]) t.is(fact.value, 'absent')
})

test('of two gateways the one that has a service speaks for both; a third is not asked', async (t) => {
  const ips = ['192.168.1.1', '192.168.2.1', '192.168.3.1']
  const gateways = ips.map((ip) => ({ ...GATEWAY, ip }))
  const { presence, sent } = await probe((bytes, to) => {
    if (!isPcp(bytes, to)) return []
    return [{ bytes: to.ip === ips[0] ? PCP_NOT_AUTHORIZED : PCP_SUCCESS, from: to }]
  }, gateways)
  t.is(presence.pcp.value, 'available')
  t.is(presence.pcp.gateway, ips[1])
  t.false(sent.some(({ ip }) => ip === ips[2]))
})

test('a search goes to the gateway and to the group', async (t) => {
  const { sent } = await probe((bytes, to) =>
    isSearch(bytes, to) ? [{ bytes: IGD, from: transportAddress(GATEWAY_IP, 40_000) }] : [],
  )
  t.deepEqual(
    new Set(sent.filter(({ port }) => port === 1900).map(({ ip }) => ip)),
    new Set([GATEWAY_IP, '239.255.255.250']),
  )
})

test('regression: a UPnP device that is not the gateway was given out as the gateway', async (t) => {
  const { presence } = await probe((bytes, to) =>
    isSearch(bytes, to) ? [{ bytes: IGD, from: transportAddress('192.168.1.2', 1900) }] : [],
  )
  t.is(presence.upnp.gateway, '192.168.1.2')
})

test('without an IPv4 gateway nothing is sent, and nothing is known', async (t) => {
  const v6: Gateway = { family: 'ipv6', ip: 'fe80::1%eth0', interfaceName: 'eth0', metric: 100 }
  for (const gateways of [[], [v6]]) {
    const { presence, sent } = await probe(() => [], gateways)
    for (const fact of [presence.pcp, presence.natPmp, presence.upnp]) t.is(fact.value, 'unknown')
    t.deepEqual(sent, [])
  }
})

test('an abort ends it at once, with what is known, and leaves no socket', async (t) => {
  const gone = AbortSignal.abort(new ReachError('ERR_REACH_ABORTED', 'interrupted'))
  const { tookMs, open, sent } = await probe(() => [], [GATEWAY], gone)
  t.is(tookMs, 0)
  t.is(open, 0)
  t.deepEqual(sent, [])
})
