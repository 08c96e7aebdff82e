import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { Peer } from '../../lib/index.ts'
import type { PeerOptions } from '../../lib/index.ts'
import { tlsOptions } from '../relay-bench/serve.ts'
import { countBytes } from '../support/count-bytes.ts'
import { CHUNK, pingPong, sendCounted } from '../support/load.ts'
import { oneWay } from './one-way.ts'

/** How an end is reached, or reaches the other: as JSON on its command line. */
export type EndKind =
  | { readonly kind: 'plain'; readonly port: number }
  | { readonly kind: 'tls'; readonly port: number; readonly material: string }
  | {
      readonly kind: 'peer'
      readonly home: string
      /** The only way to relays. */
      readonly way: string | undefined
      readonly proxy: string | undefined
      readonly ssh: NonNullable<PeerOptions['ssh']>
    }

/** The first byte of a stream says what is wanted of it; behind `give` stands for how many seconds. */
const ASKS = { take: 'T', give: 'G', echo: 'E' } as const
const SERVICE = 'any'
export const SERVING_PEER = 'alice'
const WARM_UP_PINGS = 30

async function peerOf({ home, way, proxy, ssh }: Extract<EndKind, { kind: 'peer' }>): Promise<Peer> {
  const dialer = way === undefined ? {} : { dialer: oneWay(way, proxy) }
  return await Peer.open({ home, relayOnly: true, ssh, ...dialer })
}

/** The end that is dialled; prints a line when it is ready. */
export async function runServe(end: EndKind): Promise<void> {
  if (end.kind === 'peer') {
    const peer = await peerOf(end)
    await peer.listen(SERVICE, serve)
  } else {
    const common = { allowHalfOpen: true, noDelay: true }
    const server =
      end.kind === 'plain'
        ? createServer(common, serve)
        : createTlsServer({ ...tlsOptions(end.material), ...common, requestCert: true }, serve)
    server.on('tlsClientError', () => undefined).listen(end.port, '127.0.0.1')
    await once(server, 'listening')
  }
  console.log('ready')
}

function serve(stream: Duplex): void {
  stream.on('error', () => stream.destroy())
  stream.once('data', (first: Uint8Array) => {
    stream.pause()
    const ask = String.fromCharCode(first[0] ?? 0)
    if (ask === ASKS.take) countBytes(stream, first.length - 1)
    else if (ask === ASKS.give) void give(stream, Number(Buffer.from(first.subarray(1)).toString()))
    else {
      if (first.length > 1) stream.write(first.subarray(1))
      stream.on('data', (part: Uint8Array) => stream.write(part)).resume()
    }
  })
}

async function give(stream: Duplex, seconds: number): Promise<void> {
  stream.resume()
  const endMs = performance.now() + seconds * 1000
  while (performance.now() < endMs && !stream.destroyed) {
    if (!stream.write(CHUNK) && stream.writableLength > 0) await once(stream, 'drain')
  }
  stream.end()
}

/** The end that dials: `up SECONDS`, `down SECONDS`, `ping SECONDS` on stdin, a line of JSON for each on stdout. */
export async function runDial(end: EndKind): Promise<void> {
  const dial = await diallerOf(end)
  console.log(JSON.stringify(await kindOf(end, dial)))
  const commands = { up, down, ping }
  for await (const line of createInterface({ input: process.stdin })) {
    const [command = '', seconds] = line.split(' ')
    const run = commands[command as keyof typeof commands]
    console.log(JSON.stringify(await run(await dial.open(), Number(seconds))))
  }
  process.exit()
}

interface Dialler {
  open(): Promise<Duplex>
  /** Of a peer: what the session runs over. */
  way?(): string | undefined
}

async function diallerOf(end: EndKind): Promise<Dialler> {
  if (end.kind === 'peer') {
    const peer = await peerOf(end)
    const way = () => {
      const [path] = peer.session(SERVING_PEER).currentPaths
      return path?.kind === 'relay' ? path.way : path?.kind
    }
    return { open: () => peer.connect(`${SERVING_PEER}/${SERVICE}`), way }
  }
  const to = { host: '127.0.0.1', port: end.port, allowHalfOpen: true, noDelay: true }
  return {
    async open() {
      const socket = end.kind === 'plain' ? connect(to) : connectTls({ ...tlsOptions(end.material), ...to })
      await once(socket, end.kind === 'plain' ? 'connect' : 'secureConnect')
      socket.setNoDelay(true)
      return socket
    },
  }
}

async function kindOf(end: EndKind, dial: Dialler): Promise<unknown> {
  const stream = await dial.open()
  stream.destroy()
  return { way: end.kind === 'peer' ? dial.way?.() : end.kind }
}

async function up(stream: Duplex, seconds: number) {
  const startMs = performance.now()
  const bytes = await sendCounted(stream, ASKS.take, startMs + seconds * 1000)
  return { bytes, seconds: (performance.now() - startMs) / 1000 }
}

async function down(stream: Duplex, seconds: number) {
  const startMs = performance.now()
  let bytes = 0
  stream.on('data', (part: Uint8Array) => (bytes += part.length))
  stream.write(`${ASKS.give}${seconds}`)
  await once(stream, 'end')
  stream.end()
  return { bytes, seconds: (performance.now() - startMs) / 1000 }
}

function ping(stream: Duplex, seconds: number) {
  return pingPong(stream, ASKS.echo, WARM_UP_PINGS, seconds)
}
