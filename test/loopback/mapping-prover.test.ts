import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { ProvableMapping, SecondMapping } from '../../lib/proof/mapping-prover.ts'
import { MappingProver } from '../../lib/proof/mapping-prover.ts'
import type { UnprovenReason } from '../../lib/protocol/port-mapping/mapping-proof.ts'
import { carriesProof } from '../../lib/protocol/relay/proof-packet.ts'
import type { ProofRelay, ProofTarget } from '../../lib/protocol/relay/proof-relay.ts'
import { networkOf, runtimeAt } from './network-support.ts'
import { peerOf } from './relay-data-support/members.ts'

/*
 * Proofs with a real relay. The "gateway" is a change of the port on the way to it: what the relay sends to the external
 * port of 127.0.0.1 goes to the internal one, or nowhere.
 */

const ME = '127.0.0.1'
const PAUSES_MS = [0, 50]

/** External port → internal port, as a gateway forwards; 0: a port that is dead. */
type Forwards = Map<number, number>

interface Bench {
  readonly prover: MappingProver
  readonly relay: ProofRelay
  readonly forwards: Forwards
  readonly asked: ProofTarget[]
}

async function benchOf(t: ExecutionContext, change: Partial<ProofRelay> = {}): Promise<Bench> {
  const network = await networkOf(t)
  const { client } = await peerOf(t, network, 'alice')
  const forwards: Forwards = new Map()
  const asked: ProofTarget[] = []
  const relay: ProofRelay = {
    name: client.name,
    seenAs: client.seenAs,
    prove: (target, signal) => {
      asked.push(target)
      return client.prove({ ...target, port: forwards.get(target.port) ?? 1 }, signal)
    },
    ...change,
  }
  const prover = new MappingProver({ runtime: runtimeAt(), relays: () => [relay], pausesMs: PAUSES_MS })
  return { prover, relay, forwards, asked }
}

function mappingOf(
  internal: TransportAddress,
  externalPort: number,
  externalIp: string | undefined = ME,
): ProvableMapping {
  return { internal, externalPort, externalIp }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, ME)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Another program at a TCP port; answers its port. */
async function tcpProgram(t: ExecutionContext): Promise<number> {
  const server = createServer((socket) => socket.resume().on('error', () => undefined))
  t.teardown(() => server.close())
  server.listen(0, ME)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function udpProgram(t: ExecutionContext): Promise<number> {
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  socket.bind(0, ME)
  await once(socket, 'listening')
  return socket.address().port
}

/** A gateway that maps second ports; those that were removed. */
function gateway(forwards: Forwards): {
  readonly removed: number[]
  readonly mapSecond: (internal: TransportAddress) => Promise<SecondMapping>
} {
  const removed: number[] = []
  const mapSecond = (internal: TransportAddress) => {
    forwards.set(50_000, internal.port)
    const remove = () => {
      removed.push(50_000)
      return Promise.resolve()
    }
    return Promise.resolve({ ...mappingOf(internal, 50_000), remove })
  }
  return { removed, mapSecond }
}

for (const transport of ['udp', 'tcp'] as const) {
  test(`${transport}: a mapping to a port that is free is proven by what comes in, and the port is free again`, async (t) => {
    const { prover, relay, forwards } = await benchOf(t)
    const internal = transportAddress(ME, await freePort(), transport)
    forwards.set(40_000, internal.port)
    const proof = await prover.prove(mappingOf(internal, 40_000))
    const external = transportAddress(ME, 40_000, transport)
    t.deepEqual(proof, { proof: 'proven', kind: 'received', external, relay: relay.name })
    t.deepEqual(await prover.prove(mappingOf(internal, 40_000)), proof)
  })

  test(`${transport}: a gateway that lists but forwards nothing is found out, with what the relay heard`, async (t) => {
    const { prover, relay, asked } = await benchOf(t)
    const internal = transportAddress(ME, await freePort(), transport)
    const proof = await prover.prove(mappingOf(internal, 40_000))
    t.deepEqual(proof, {
      proof: 'failed',
      cause: 'refused',
      facts: { relayHeard: 'refused', externalIp: ME, seenAs: ME },
      relay: relay.name,
    })
    t.is(asked.length, PAUSES_MS.length)
    t.is(new Set(asked.map(({ nonce }) => Buffer.from(nonce).toString('hex'))).size, asked.length)
  })

  test(`${transport}: a port of another program is inferred from a second mapping, which is removed`, async (t) => {
    const { prover, forwards } = await benchOf(t)
    const port = transport === 'udp' ? await udpProgram(t) : await tcpProgram(t)
    forwards.set(40_000, port)
    const { removed, mapSecond } = gateway(forwards)
    const internal = transportAddress(ME, port, transport)
    const proof = await prover.prove(mappingOf(internal, 40_000), { mapSecond })
    t.like(proof, { proof: 'proven', kind: 'inferred', external: transportAddress(ME, 40_000, transport) })
    t.deepEqual(removed, [50_000])
  })

  test(`${transport}: a port of another program without a second mapping stays unproven`, async (t) => {
    const { prover, forwards } = await benchOf(t)
    const port = transport === 'udp' ? await udpProgram(t) : await tcpProgram(t)
    forwards.set(40_000, port)
    const mapping = mappingOf(transportAddress(ME, port, transport), 40_000)
    t.deepEqual(await prover.prove(mapping), { proof: 'unproven', why: 'port-in-use' })
    const refuse = () => Promise.reject(new ReachError('ERR_REACH_MAPPING_REFUSED', 'the table is full'))
    t.deepEqual(await prover.prove(mapping, { mapSecond: refuse }), { proof: 'unproven', why: 'port-in-use' })
  })
}

test('tcp: a program that is reached after the mapping and not before is accepted', async (t) => {
  const { prover, forwards } = await benchOf(t)
  const internal = transportAddress(ME, await tcpProgram(t), 'tcp')
  const before = await prover.before(internal, 40_000)
  t.is(before, 'not-accepted')
  forwards.set(40_000, internal.port)
  const proof = await prover.prove(mappingOf(internal, 40_000), { before })
  t.like(proof, { proof: 'proven', kind: 'accepted' })
})

test('tcp: a connection that was taken before the mapping proves nothing', async (t) => {
  const { prover, forwards } = await benchOf(t)
  const internal = transportAddress(ME, await tcpProgram(t), 'tcp')
  forwards.set(40_000, await tcpProgram(t)) // a forward to another host that somebody made by hand
  const before = await prover.before(internal, 40_000)
  t.is(before, 'accepted')
  t.deepEqual(await prover.prove(mappingOf(internal, 40_000), { before }), {
    proof: 'unproven',
    why: 'port-in-use',
  })
})

test('tcp: a connection that another host takes is told as such', async (t) => {
  const { prover, forwards } = await benchOf(t)
  forwards.set(40_000, await tcpProgram(t))
  const proof = await prover.prove(mappingOf(transportAddress(ME, await freePort(), 'tcp'), 40_000))
  t.like(proof, { proof: 'failed', cause: 'other-host' })
})

test('nobody is asked before a mapping where the port is free, nor for UDP', async (t) => {
  const { prover, asked } = await benchOf(t)
  t.is(await prover.before(transportAddress(ME, await freePort(), 'tcp'), 40_000), 'unknown')
  t.is(await prover.before(transportAddress(ME, await udpProgram(t), 'udp'), 40_000), 'unknown')
  t.is(asked.length, 0)
})

test('a nonce that came in counts, and the relay’s word does not', async (t) => {
  const { prover } = await benchOf(t, { prove: () => Promise.resolve('accepted') })
  const proof = await prover.prove(mappingOf(transportAddress(ME, await freePort(), 'tcp'), 40_000))
  t.is(proof.proof, 'failed')
})

test('strangers that try the port while it is proven are no proof, and do no harm', async (t) => {
  const { prover, forwards } = await benchOf(t, {})
  const internal = transportAddress(ME, await freePort(), 'tcp')
  const proving = prover.prove(mappingOf(internal, 40_000))
  forwards.set(40_000, 1)
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x00\x11\x00\x00!\x12\xa4BXXXXXXXXXXXX']) {
    const socket = connect(internal.port, ME).on('error', () => undefined)
    socket.write(bytes, 'latin1')
    t.teardown(() => socket.destroy())
  }
  t.is((await proving).proof, 'failed')
})

for (const [what, change, why] of [
  ['a relay that is too old', { seenAs: undefined }, 'relay-too-old'],
  ['a relay of the other family', { seenAs: '2001:db8::7' }, 'no-relay'],
  [
    'a relay that has enough',
    { prove: () => Promise.reject(new ReachError('ERR_REACH_RATE_LIMITED', 'enough')) },
    'rate-limited',
  ],
  [
    'a relay that is gone',
    { prove: () => Promise.reject(new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'gone')) },
    'relay-failed',
  ],
  ['a relay that could not try', { prove: () => Promise.resolve('failed') }, 'relay-failed'],
] as readonly (readonly [string, Partial<ProofRelay>, UnprovenReason])[]) {
  test(`${what} leaves the mapping unproven, not unreachable`, async (t) => {
    const { prover } = await benchOf(t, change)
    const mapping = mappingOf(transportAddress(ME, await freePort(), 'udp'), 40_000)
    t.like(await prover.prove(mapping), { proof: 'unproven', why })
  })
}

test('without a relay a mapping stays unproven', async (t) => {
  const prover = new MappingProver({ runtime: runtimeAt(), relays: () => [] })
  const mapping = mappingOf(transportAddress(ME, await freePort(), 'udp'), 40_000)
  t.deepEqual(await prover.prove(mapping), { proof: 'unproven', why: 'no-relay' })
})

test('a relay on our side of the gateway proves nothing, though all of it arrives', async (t) => {
  const { prover, forwards, asked } = await benchOf(t)
  const internal = transportAddress(ME, await freePort(), 'udp')
  forwards.set(40_000, internal.port)
  const proof = await prover.prove(mappingOf(internal, 40_000, '203.0.113.5'))
  t.deepEqual(proof, { proof: 'unproven', why: 'relay-inside' })
  t.is(asked.length, 0)
})

test('a second opinion of the addresses: the layer is named when they differ', async (t) => {
  const { prover } = await benchOf(t, { seenAs: '198.51.100.7' })
  const mapping = mappingOf(transportAddress(ME, await freePort(), 'tcp'), 40_000, '100.64.0.9')
  t.like(await prover.prove(mapping), { proof: 'failed', cause: 'carrier-nat' })
})

test('ears of ours that have a socket there are enough: nothing is opened', async (t) => {
  const { prover, forwards } = await benchOf(t)
  const { port } = await new Promise<AddressInfo>((resolve) => {
    const socket = createSocket('udp4')
    t.teardown(() => socket.close())
    socket.on('message', (bytes) => hear(bytes))
    socket.bind(0, ME, () => resolve(socket.address()))
  })
  let hear: (bytes: Uint8Array) => void = () => undefined
  const ears = {
    expect: (nonce: Uint8Array, onHeard: () => void) => {
      hear = (bytes) => {
        if (carriesProof(bytes, nonce)) onHeard()
      }
      return () => (hear = () => undefined)
    },
  }
  forwards.set(40_000, port)
  const proof = await prover.prove(mappingOf(transportAddress(ME, port, 'udp'), 40_000), { ears })
  t.like(proof, { proof: 'proven', kind: 'received' })
})

test('an abort ends a proof with its reason, and the port is free again', async (t) => {
  const { prover } = await benchOf(t, { prove: () => new Promise(() => undefined) })
  const internal = transportAddress(ME, await freePort(), 'tcp')
  const stop = new AbortController()
  const proving = prover.prove(mappingOf(internal, 40_000), { signal: stop.signal })
  stop.abort(new ReachError('ERR_REACH_ABORTED', 'enough'))
  await t.throwsAsync(proving, { code: 'ERR_REACH_ABORTED' })
  const server = createServer().listen(internal.port, ME)
  await once(server, 'listening')
  server.close()
})
