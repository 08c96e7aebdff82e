import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { RelayServer } from '../../../relay-server/relay-server.ts'
import type { RelayServerOptions } from '../../../relay-server/relay-server.ts'

const runtime = nodeRuntime({ interfaces: { includeLoopback: true } })

/** Opens a relay as it is asked for; without TLS and STUN over UDP, on a port that the system picks, unless told. */
export function openRelay(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
  return RelayServer.open(runtime, {
    version: '1.2.3',
    listen: [{ host: '127.0.0.1', port: 0 }],
    stun: [],
    tls: { kind: 'none' },
    ...options,
  })
}

/** The same, closed when the test ends. */
export async function relayOf(
  t: ExecutionContext,
  options: Partial<RelayServerOptions> = {},
): Promise<RelayServer> {
  const relay = await openRelay(options)
  t.teardown(() => relay.close())
  return relay
}

/** A folder that is removed when the test ends. */
export function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'relay-server-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))
  return folder
}

export function tcpPort(relay: RelayServer): number {
  const [address] = relay.tcpAddresses
  if (address === undefined) throw new Error('the relay listens on no TCP port')
  return address.port
}

/** A connection that is cut when the test ends. */
export async function connectTo(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** All that comes until the other side ends or cuts the connection. */
export async function readToEnd(socket: NodeJS.ReadableStream & { destroy(): unknown }): Promise<Buffer> {
  const chunks: Buffer[] = []
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('error', () => resolve())
    socket.once('close', () => resolve())
  })
  return Buffer.concat(chunks)
}

/** What an HTTP server says to a request, given as it goes over the wire. */
export async function exchange(t: ExecutionContext, port: number, request: string): Promise<string> {
  const socket = await connectTo(t, port)
  socket.write(request)
  return (await readToEnd(socket)).toString('latin1')
}

/** Two neighbouring UDP ports that are free on all these addresses, the first one for TCP as well; they may be taken again before they are used. */
export async function freePortPair(ips: readonly string[]): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT)
    const checks = ips.flatMap((ip) => [canBind(ip, port), canBind(ip, port + 1)])
    if ((await Promise.all([...checks, canListen(port)])).every(Boolean)) return port
  }
  throw new Error('no two neighbouring ports are free')
}

/** Below what systems pick by themselves (Linux from 32768 on): no connection of another test comes to lie there. */
const FIRST_PORT = 12_000
const LAST_PORT = 32_000

/** True when a UDP port can be bound. */
export function canBind(ip: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ address: ip, port, exclusive: true }, () => socket.close(() => resolve(true)))
  })
}

/** True when a TCP port can be listened on. */
export function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)))
  })
}
