import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { countBytes } from '../support/count-bytes.ts'
import { pingPong, roundTrip, sendCounted } from '../support/load.ts'
import { cpuSeconds, residentKib } from '../support/process.ts'

/** What one round measures of one relay. MB and GB are powers of ten. */
export interface Figures {
  readonly mbPerS1: number
  readonly cpuSPerGb1: number
  readonly mbPerS16: number
  readonly cpuSPerGb16: number
  readonly pingP50Us: number
  readonly pingP99Us: number
  readonly cpuUsPerPing: number
  /** Resident memory of the relay for each pair that has carried 1 KiB each way and is silent. */
  readonly idleKib: number
  /** The same after each of the pairs has carried 4 MiB. */
  readonly restedKib: number
}

const NO_FIGURES: Figures = {
  mbPerS1: NaN,
  cpuSPerGb1: NaN,
  mbPerS16: NaN,
  cpuSPerGb16: NaN,
  pingP50Us: NaN,
  pingP99Us: NaN,
  cpuUsPerPing: NaN,
  idleKib: NaN,
  restedKib: NaN,
}

/** Reads what {@link runLoad} printed; what is missing is NaN. */
export function parseFigures(line: string): Figures {
  const parsed: unknown = JSON.parse(line)
  return typeof parsed === 'object' && parsed !== null ? { ...NO_FIGURES, ...parsed } : NO_FIGURES
}

interface RelayAt {
  readonly port: number
  readonly pid: number
}

const BULK = 'B'
const ECHO = 'E'
const CHUNK_BYTES = 1024 * 1024
const PING_BYTES = 1024
const IDLE_PAIRS = 1000
const RESTED_PAIRS = 300
const RESTED_BYTES = 4 * 1024 * 1024
const WARM_UP_S = 0.4

/** Both endpoints: prints the sink's port, reads `PORT PID` of the relay, prints figures, ends. */
export async function runLoad(seconds: number): Promise<void> {
  const sink = createServer({ allowHalfOpen: true, noDelay: true }, serve).listen(0, '127.0.0.1', 4096)
  await once(sink, 'listening')
  const address = sink.address()
  console.log(typeof address === 'object' ? address?.port : 0)
  for await (const line of createInterface({ input: process.stdin })) {
    const [port = 0, pid = 0] = line.split(' ').map(Number)
    console.log(JSON.stringify(await measure({ port, pid }, seconds)))
    break
  }
  process.exit()
}

async function measure(relay: RelayAt, seconds: number): Promise<Figures> {
  await ping(relay, 0.1)
  const idleKib = await idle(relay, IDLE_PAIRS, PING_BYTES)
  await bulk(relay, 1, WARM_UP_S)
  const one = await bulk(relay, 1, seconds)
  const many = await bulk(relay, 16, seconds)
  const pings = await ping(relay, seconds / 2)
  const restedKib = await idle(relay, RESTED_PAIRS, RESTED_BYTES)
  return {
    mbPerS1: one.mbPerS,
    cpuSPerGb1: one.cpuSPerGb,
    mbPerS16: many.mbPerS,
    cpuSPerGb16: many.cpuSPerGb,
    ...pings,
    idleKib,
    restedKib,
  }
}

/** One end of the sink: counts what comes and answers with the count, or echoes. */
function serve(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.once('data', (first) => {
    socket.pause()
    if (first[0] === BULK.charCodeAt(0)) countBytes(socket, first.length - 1)
    else {
      socket.write(first.subarray(1))
      socket.on('data', (part) => socket.write(part))
      socket.on('end', () => socket.end())
      socket.resume()
    }
  })
}

async function dial(relay: RelayAt): Promise<Socket> {
  const socket = connect({ port: relay.port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

async function bulk(relay: RelayAt, streams: number, seconds: number) {
  const sockets = await Promise.all(Array.from({ length: streams }, () => dial(relay)))
  const startCpu = cpuSeconds(relay.pid)
  const startMs = performance.now()
  const endMs = startMs + seconds * 1000
  const sent = await Promise.all(sockets.map((socket) => sendCounted(socket, BULK, endMs, chunk)))
  const elapsedS = (performance.now() - startMs) / 1000
  const bytes = sent.reduce((sum, one) => sum + one, 0)
  return {
    mbPerS: bytes / 1e6 / elapsedS,
    cpuSPerGb: (cpuSeconds(relay.pid) - startCpu) / (bytes / 1e9),
  }
}

const chunk = Buffer.alloc(CHUNK_BYTES, 'x')

async function ping(relay: RelayAt, seconds: number) {
  const startCpu = cpuSeconds(relay.pid)
  const { p50Us, p99Us, count } = await pingPong(await dial(relay), ECHO, 0, seconds)
  return {
    pingP50Us: p50Us ?? NaN,
    pingP99Us: p99Us ?? NaN,
    cpuUsPerPing: ((cpuSeconds(relay.pid) - startCpu) * 1e6) / count,
  }
}

/** Growth of the relay's resident memory for each of many pairs that have carried something and then rest. */
async function idle(relay: RelayAt, pairs: number, bytes: number): Promise<number> {
  const before = residentKib(relay.pid)
  const sockets: Socket[] = []
  const message = Buffer.alloc(bytes, 'x')
  for (let i = 0; i < pairs; i++) {
    const socket = await dial(relay)
    socket.write(ECHO)
    await roundTrip(socket, message)
    sockets.push(socket)
  }
  const grown = (residentKib(relay.pid) - before) / pairs
  for (const socket of sockets) socket.destroy()
  await sleep(100)
  return grown
}
