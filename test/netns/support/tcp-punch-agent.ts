import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import type { IceRole } from '../../../lib/protocol/ice/candidate-pair.ts'
import { iceCredentials } from '../../../lib/protocol/ice/connectivity-check.ts'
import {
  decodeTcpPunchMessage,
  encodeTcpPunchMessage,
} from '../../../lib/protocol/punch/tcp-punch-message.ts'
import { TcpAttempt } from '../../../lib/punch/tcp-attempt.ts'
import { TcpListener } from '../../../lib/punch/tcp-listener.ts'

/** What `tcp-punch-agent.js JSON` is told. */
export interface TcpPunchAgentOptions {
  readonly role: IceRole
  /** STUN over TCP, on its IP's port 443. */
  readonly stunIps: readonly string[]
  readonly portIsPreserved: boolean
  /** What it takes for the round trip of signalling; a wrong one makes one side begin later. */
  readonly signallingRttMs: number
  /** Where the peer listens. */
  readonly dials: readonly { readonly ip: string; readonly port: number }[]
  /** A port to listen on. */
  readonly listensOn?: number
  /** Whether to open from both sides at once. */
  readonly punches: boolean
}

/** What it says of its attempt. */
export interface TcpPunchAgentResult {
  readonly how: 'dialled' | 'accepted' | 'simultaneous' | undefined
  readonly remote: { readonly ip: string; readonly port: number } | undefined
  readonly rounds: number
  readonly connects: number
  readonly errors: Readonly<Record<string, number>>
}

/**
 * Looks for a connection in a network namespace. Prints `ready` when it listens, begins at a line `go`, prints `signal JSON`
 * for its peer and takes the peer's as lines; then `result JSON`, and `hashes JSON` of the 4 MiB that it sent and of
 * what it got. Ends by itself when all is closed.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as TcpPunchAgentOptions
const runtime = nodeRuntime()
const isControlling = options.role === 'controlling'
const [first, second] = [1, 2].map((seed) => iceCredentials(new Uint8Array(24).fill(seed)))
if (first === undefined || second === undefined) throw new Error('two sides have credentials')

const port = options.listensOn
const listener = port === undefined ? undefined : await TcpListener.open(runtime, 'ipv4', { port })
const attempt = new TcpAttempt({
  runtime,
  role: options.role,
  localCredentials: isControlling ? first : second,
  remoteCredentials: isControlling ? second : first,
  ...(listener === undefined ? {} : { listeners: [listener] }),
  stunServers: options.stunIps.map((ip) => transportAddress(ip, 443, 'tcp')),
  signallingRttMs: options.signallingRttMs,
  maySendTo: () => true,
  signal: (message) => console.log(`signal ${encodeTcpPunchMessage(message)}`),
})
const input = createInterface({ input: process.stdin })
input.on('line', (line) => (line === 'go' ? begin() : attempt.receive(decodeTcpPunchMessage(line))))
console.log('ready')

const path = await attempt.result
const { how, remote, socket } = path ?? {}
const { errors, rounds, connects } = attempt.counters
const result = { how, remote, rounds, connects, errors }
console.log(`result ${JSON.stringify(result)}`)
if (socket !== undefined) {
  const sent = runtime.random.bytes(4 << 20)
  const gotten = hashOf(socket)
  socket.end(sent)
  console.log(`hashes ${JSON.stringify([createHash('sha256').update(sent).digest('hex'), await gotten])}`)
  if (!socket.closed) await once(socket, 'close')
}
input.close()
await listener?.close()

function begin(): void {
  for (const { ip, port: at } of options.dials) attempt.dial(transportAddress(ip, at, 'tcp'))
  if (!options.punches) return
  attempt.startPunch({ portIsPreserved: options.portIsPreserved })
  void attempt.punched.then(() => attempt.close())
}

async function hashOf(stream: Duplex): Promise<string> {
  const hash = createHash('sha256')
  stream.on('data', (chunk: Uint8Array) => hash.update(chunk)).resume()
  await once(stream, 'end')
  return hash.digest('hex')
}
