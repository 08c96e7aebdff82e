import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import type { NatBehavior } from '../../../lib/base/nat-behavior.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import type { IceRole } from '../../../lib/protocol/ice/candidate-pair.ts'
import { iceCredentials } from '../../../lib/protocol/ice/connectivity-check.ts'
import { decodePunchMessage, encodePunchMessage } from '../../../lib/protocol/punch/punch-message.ts'
import { UdpPunch } from '../../../lib/punch/udp-punch.ts'

/** What `punch-agent.js JSON` is told. */
export interface PunchAgentOptions {
  readonly role: IceRole
  readonly ours: NatBehavior
  readonly theirs: NatBehavior
  readonly stun: { readonly ip: string; readonly port: number }
}

/**
 * Punches in a network namespace. Prints `signal JSON` for its peer and takes the peer's as lines of stdin; then `result
 * JSON`, and `hashes JSON` of what it sent and of what it got through the hole. Ends by itself when all is closed.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as PunchAgentOptions
const runtime = nodeRuntime()
const isControlling = options.role === 'controlling'
const [first, second] = [1, 2].map((seed) => iceCredentials(new Uint8Array(24).fill(seed)))
if (first === undefined || second === undefined) throw new Error('two sides have credentials')

const punch = new UdpPunch({
  runtime,
  options: {
    role: options.role,
    family: 'ipv4',
    localCredentials: isControlling ? first : second,
    remoteCredentials: isControlling ? second : first,
    ours: options.ours,
    theirs: options.theirs,
    servers: [transportAddress(options.stun.ip, options.stun.port)],
    signallingRttMs: 10,
    maySendTo: () => true,
    randomBytes: (length) => runtime.random.bytes(length),
  },
  signal: (message) => console.log(`signal ${encodePunchMessage(message)}`),
})
const input = createInterface({ input: process.stdin })
input.on('line', (line) => punch.receive(decodePunchMessage(line)))

const hole = await punch.result
console.log(
  `result ${JSON.stringify({ ...punch.counters, isDirect: hole !== undefined, remote: hole?.remote })}`,
)
if (hole !== undefined) {
  const [localId, remoteId] = isControlling ? [1, 2] : [2, 1]
  const stream = hole.socket.openStream({ localId, remoteId, remote: hole.remote })
  const sent = runtime.random.bytes(4 << 20)
  const gotten = hashOf(stream)
  stream.end(sent)
  console.log(`hashes ${JSON.stringify([createHash('sha256').update(sent).digest('hex'), await gotten])}`)
  if (!stream.closed) await once(stream, 'close')
  hole.detach()
  hole.socket.close()
}
input.close()

async function hashOf(stream: Duplex): Promise<string> {
  const hash = createHash('sha256')
  stream.on('data', (chunk: Uint8Array) => hash.update(chunk))
  await once(stream, 'end')
  return hash.digest('hex')
}
