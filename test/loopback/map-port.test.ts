import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Runtime } from '../../lib/base/runtime.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { mapPortWith } from '../../lib/peer/map-port.ts'
import type { MapPortSetup, MappedPort } from '../../lib/peer/map-port.ts'
import type { PortRequest } from '../../lib/portmap/lease-state.ts'
import type { MappingProof } from '../../lib/protocol/port-mapping/mapping-proof.ts'
import type { ProofRelay, ProofTarget } from '../../lib/protocol/relay/proof-relay.ts'
import { networkOf, runtimeAt } from './network-support.ts'
import { peerOf } from './relay-data-support/members.ts'

/* What a mapped port is asked with and proven by; the gateway is this host, and gives whatever is asked. */

const ME = '127.0.0.1'

interface Bench extends MapPortSetup {
  readonly requests: PortRequest[]
  readonly proofs: MappingProof[]
  /** In their order: `prove PORT`, `map PORT`. */
  readonly log: string[]
}

/** @param forward where the external port leads once it is mapped; nowhere before */
async function benchOf(t: ExecutionContext, grantPort = (asked: number) => asked): Promise<Bench> {
  const network = await networkOf(t)
  const { client } = await peerOf(t, network, 'alice')
  const real = runtimeAt()
  const gateway = { family: 'ipv4', ip: ME, interfaceName: 'lo', metric: 0 } as const
  const runtime: Runtime = {
    ...real,
    network: { ...real.network, defaultGateways: () => Promise.resolve([gateway]) },
  }
  const [log, requests, proofs]: [string[], PortRequest[], MappingProof[]] = [[], [], []]
  const forwards = new Map<number, number>()
  const relay: ProofRelay = {
    name: client.name,
    seenAs: client.seenAs,
    prove: (target: ProofTarget, signal) => {
      log.push(`prove ${target.port}`)
      return client.prove({ ...target, port: forwards.get(target.port) ?? 1 }, signal)
    },
  }
  const openLease: MapPortSetup['openLease'] = async ({ request, prove }) => {
    const externalPort = grantPort(request.externalPort ?? request.port)
    log.push(`map ${externalPort}`)
    requests.push(request)
    forwards.set(externalPort, request.port)
    const internal = transportAddress(ME, request.port, request.transport)
    const granted = { protocol: 'pcp', gatewayIp: ME, lifetimeS: 60, keep: {}, externalIp: ME } as const
    const grant = { ...granted, internal, externalPort }
    const mapSecond = (to: typeof internal) => {
      log.push('map second')
      forwards.set(50_000, to.port)
      const remove = () => Promise.resolve(void log.push('remove second'))
      return Promise.resolve({ ...granted, internal: to, externalPort: 50_000, remove })
    }
    const proof = await prove(grant, { mapSecond }, new AbortController().signal)
    proofs.push(proof)
    const state = { kind: 'active', grant, proof, external: undefined } as const
    return aMappedPort(state)
  }
  return { runtime, openLease, relays: () => [relay], pausesMs: [0], log, requests, proofs }
}

function aMappedPort(state: MappedPort['state']): MappedPort {
  const close = () => Promise.resolve()
  async function* changes() {
    yield await Promise.resolve(state)
  }
  return { state, changes, close, [Symbol.asyncDispose]: close }
}

async function tcpProgram(t: ExecutionContext): Promise<number> {
  const server = createServer((socket) => socket.resume().on('error', () => undefined))
  t.teardown(() => server.close())
  server.listen(0, ME)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('a program’s TCP port: the relay is asked before the mapping and after it', async (t) => {
  const bench = await benchOf(t)
  const port = await tcpProgram(t)
  await mapPortWith(bench, port, {})
  t.deepEqual(bench.log, [`prove ${port}`, `map ${port}`, `prove ${port}`])
  t.like(bench.proofs[0], { proof: 'proven', kind: 'accepted' })
  t.like(bench.requests[0], { transport: 'tcp', family: 'ipv4', port, externalPort: undefined })
})

test('what was asked before counts for that port alone: another one is inferred', async (t) => {
  const bench = await benchOf(t, (asked) => (asked === 65_535 ? 65_534 : asked + 1))
  const port = await tcpProgram(t)
  await mapPortWith(bench, port, {})
  t.deepEqual(bench.log.slice(-4), [`prove ${port + 1}`, 'map second', 'prove 50000', 'remove second'])
  t.like(bench.proofs[0], { proof: 'proven', kind: 'inferred' })
})

test('the port outside is asked for by name, and no other will do', async (t) => {
  const bench = await benchOf(t)
  const port = await tcpProgram(t)
  await mapPortWith(bench, port, { externalPort: 8080, lifetimeS: 600 })
  t.like(bench.requests[0], { port, externalPort: 8080, acceptsOtherPort: false, lifetimeS: 600 })
  t.is(bench.log[0], 'prove 8080')
})

test('a UDP port of a program is inferred, one that is free is received', async (t) => {
  const bench = await benchOf(t)
  const socket = createSocket('udp4')
  socket.bind(0, ME)
  await once(socket, 'listening')
  const { port } = socket.address()
  await mapPortWith(bench, port, { transport: 'udp' })
  t.like(bench.proofs[0], { proof: 'proven', kind: 'inferred' })
  socket.close()
  await once(socket, 'close')
  await mapPortWith(bench, port, { transport: 'udp' })
  t.like(bench.proofs[1], { proof: 'proven', kind: 'received' })
})

test('without a relay the mapping is made, and stays unproven', async (t) => {
  const bench = await benchOf(t)
  await mapPortWith({ ...bench, relays: () => [] }, await tcpProgram(t), {})
  t.deepEqual(bench.proofs, [{ proof: 'unproven', why: 'no-relay' }])
})

test('a port that is none is a mistake of the caller, and nothing is asked', async (t) => {
  const bench = await benchOf(t)
  for (const port of [0, -1, 65_536, 1.5, NaN]) {
    await t.throwsAsync(mapPortWith(bench, port, {}), { instanceOf: RangeError })
    await t.throwsAsync(mapPortWith(bench, 80, { externalPort: port }), { instanceOf: RangeError })
  }
  t.deepEqual(bench.log, [])
})

test('a gateway that refuses behind a second NAT: the layer is named, and what to ask for', async (t) => {
  const bench = await benchOf(t)
  const refusal = new ReachError('ERR_REACH_MAPPING_REFUSED', 'it has no room', {
    hint: 'ask again',
    details: { a: 1 },
  })
  const port = await tcpProgram(t)
  const refusedBehind = async (ip: string | undefined) => {
    const hops = [
      { ttl: 1, ip: '192.168.1.1', reached: false },
      { ttl: 2, ip, reached: false },
    ]
    const network = { ...bench.runtime.network, traceHops: () => Promise.resolve(hops) }
    const setup = {
      ...bench,
      runtime: { ...bench.runtime, network },
      openLease: () => Promise.reject(refusal),
    }
    return t.throwsAsync(mapPortWith(setup, port, {}), { code: 'ERR_REACH_MAPPING_REFUSED' })
  }
  const carrier = await refusedBehind('100.64.0.1')
  t.true(ReachError.is(carrier) && carrier.details['cause'] === 'carrier-nat' && carrier.details['a'] === 1)
  t.regex(carrier.message, /no room; the router behind it, 100\.64\.0\.1, belongs to a carrier/)
  t.regex((await refusedBehind('192.168.0.1')).message, /probably a second NAT/)
  t.is(await refusedBehind('198.51.100.1'), refusal)
  t.is(await refusedBehind(undefined), refusal)
})
