import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { OpenUdpOptions, SendError, UdpSocket } from '../../../../lib/base/runtime.ts'
import { systemCode } from '../../../../lib/net/system-error.ts'
import { delay } from '../../../../lib/base/deadline.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../../lib/net/node-runtime.ts'
import { ip } from './namespace.ts'
import type { RouterChain } from './router-chain.ts'
import { makeRouterChain } from './router-chain.ts'

// Runs inside a network namespace of its own (see namespace.ts), where nothing can leave the machine.

const runtime = nodeRuntime()
const { network } = runtime
const SERVER_PORT = 7000

const chain = await makeRouterChain()
try {
  const report = {
    interfaces: network.interfaces(),
    gateways: await network.defaultGateways(),
    sourceIps: await sourceIps('203.0.113.9', '2001:db8:3::9'),
    hops: await hops('203.0.113.9'),
    hops6: await hops('2001:db8:3::9'),
    hopsToNobody: await hops('203.0.113.77'),
    tracesAborted: await abortedTrace(),
    arrived: await arrivals(chain, 'ipv4', '203.0.113.9'),
    arrived6: await arrivals(chain, 'ipv6', '2001:db8:3::9'),
    arrivedFromStreamUdp: await arrivals(chain, 'ipv4', '203.0.113.9', openStreamSocket),
    arrived6FromStreamUdp: await arrivals(chain, 'ipv6', '2001:db8:3::9', openStreamSocket),
    linkLocal: await linkLocalSender(),
    linkLocalFromStreamUdp: await linkLocalSender(openStreamSocket),
    congestion: await congestion(),
    ...(await withoutRoutes()),
  }
  process.stdout.write(JSON.stringify(report, (_key, value: unknown) => (value === undefined ? null : value)))
} finally {
  chain.close()
}

type OpenSocket = (options: OpenUdpOptions) => Promise<UdpSocket>

function openSocket(options: OpenUdpOptions): Promise<UdpSocket> {
  return network.openUdp(options)
}

/** A socket with streams; a plain one where this system lacks them. */
async function openStreamSocket(options: OpenUdpOptions): Promise<UdpSocket> {
  return (await network.openStreamUdp?.(options)) ?? network.openUdp(options)
}

function hops(to: string) {
  if (!existsSync('/usr/bin/ping') && !existsSync('/bin/ping')) return undefined
  return network.traceHops(transportAddress(to, 0), { maxHops: 6, timeoutMs: 1_500 })
}

async function abortedTrace(): Promise<string> {
  const controller = new AbortController()
  const options = { maxHops: 4, timeoutMs: 30_000, signal: controller.signal }
  const trace = network.traceHops(transportAddress('203.0.113.77', 0), options)
  await delay(runtime.clock, 50)
  controller.abort('enough')
  try {
    await trace
    return 'not rejected'
  } catch (reason) {
    return String(reason)
  }
}

async function sourceIps(...destinations: string[]) {
  return Promise.all(destinations.map((to) => network.sourceIpTowards(transportAddress(to, 443))))
}

/** What arrives at the server of datagrams with too small a TTL, an ordinary one, and just enough. */
async function arrivals(
  server: RouterChain,
  family: 'ipv4' | 'ipv6',
  serverIp: string,
  open: OpenSocket = openSocket,
): Promise<string[]> {
  const program = `
    const socket = require('node:dgram').createSocket('${family === 'ipv4' ? 'udp4' : 'udp6'}')
    socket.on('message', (text) => process.stdout.write(text + '\\n'))
    socket.bind(${SERVER_PORT}, () => process.stdout.write('ready\\n'))`
  const receiver = server.server.start(process.execPath, ['-e', program])
  let printed = ''
  receiver.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const until = async (line: string) => {
    while (receiver.stdout !== null && !printed.includes(`${line}\n`)) await once(receiver.stdout, 'data')
  }
  const socket = await open({ family })
  const to = transportAddress(serverIp, SERVER_PORT)
  const bytes = (text: string) => new TextEncoder().encode(text)
  try {
    await until('ready')
    socket.send(bytes('ttl 1'), to, { ttl: 1 })
    socket.send(bytes('ttl 2'), to, { ttl: 2 })
    socket.send(bytes('ordinary'), to)
    socket.send(bytes('ttl 3'), to, { ttl: 3 })
    socket.send(bytes('end'), to)
    await until('end')
  } finally {
    socket.close()
    receiver.kill('SIGKILL')
  }
  return printed.trim().split('\n')
}

/** Whether a datagram from our own link-local address comes with its zone, so that it can be answered. */
async function linkLocalSender(open: OpenSocket = openSocket) {
  const addresses = network.interfaces().flatMap((each) => each.addresses)
  const own = addresses.find((address) => address.ip.startsWith('fe80'))?.ip ?? 'none'
  const socket = await open({ family: 'ipv6', ip: own })
  const from = new Promise<string>((resolve) => (socket.onPacket = (packet) => resolve(packet.from.ip)))
  socket.send(new Uint8Array(1), socket.local)
  const seen = {
    own,
    local: socket.local.ip,
    from: await from,
    source: await network.sourceIpTowards(socket.local),
  }
  socket.close()
  return seen
}

/**
 * A neighbour that never answers keeps packets waiting, until the send buffer is full. What has its own TTL must then be
 * refused: it could only leave later, with the TTL of others.
 */
async function congestion() {
  ip('neigh flush dev client0')
  setNeighbourQueue(8 << 20)
  const socket = await network.openUdp({ family: 'ipv4' })
  const codes: string[] = []
  socket.onSendError = (error: SendError) => codes.push(error.code)
  const silent = transportAddress('192.168.1.77', SERVER_PORT)
  let sent = 0
  for (; sent < 10_000 && codes.length === 0; sent++) {
    socket.send(new Uint8Array(1_200), silent, { ttl: 2 })
    await Promise.resolve()
  }
  socket.send(new Uint8Array(10), silent)
  await delay(runtime.clock, 0)
  const whileFull = [...codes]
  const recovered = await recovers(socket)
  socket.close()
  return { sentSome: sent > 10, whileFull, recovered }
}

/** Whether the socket sends again once the system has given up on the neighbour (after 3 s). */
async function recovers(socket: UdpSocket): Promise<boolean> {
  const receiver = await network.openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  const arrived = new Promise<boolean>((resolve) => (receiver.onPacket = () => resolve(true)))
  try {
    for (let attempt = 0; attempt < 100; attempt++) {
      socket.send(new Uint8Array(1), receiver.local)
      const soon = delay(runtime.clock, 100).then(() => false)
      if (await Promise.race([arrived, soon])) return true
    }
    return false
  } finally {
    receiver.close()
  }
}

function setNeighbourQueue(bytes: number): void {
  ip(`ntable change name arp_cache dev client0 queue ${Math.floor(bytes / 2048)}`)
}

async function withoutRoutes() {
  ip('route del default')
  ip('-6 route del default')
  const codes: string[] = []
  for (const [family, to] of [
    ['ipv4', '198.51.100.1'],
    ['ipv6', '2001:db8:99::1'],
  ] as const) {
    const socket = await network.openUdp({ family })
    const refused = new Promise<SendError>((resolve) => (socket.onSendError = resolve))
    socket.send(new Uint8Array(3), transportAddress(to, 9))
    codes.push((await refused).code)
    socket.close()
  }
  return {
    gatewaysWithoutRoutes: await network.defaultGateways(),
    sourceIpsWithoutRoutes: await sourceIps('198.51.100.1', '2001:db8:99::1'),
    hopsWithoutRoutes: await hops('198.51.100.1'),
    sendCodesWithoutRoutes: codes,
    connectCodeWithoutRoutes: await connectCode('198.51.100.1'),
  }
}

async function connectCode(to: string): Promise<string> {
  try {
    const socket = await network.connectTcp(transportAddress(to, 9, 'tcp'))
    socket.destroy()
    return 'connected'
  } catch (error) {
    return systemCode(error instanceof Error ? error.cause : undefined)
  }
}
