/**
 * How many Binding requests a second one core answers on loopback, beside a bare dgram echo, in one interleaved run:
 * echo, STUN, echo, STUN, ... Prints each round and the ratio of medians. Absolute figures depend on the machine.
 *
 *   npm run build:test && node build/bench/stun.js [ROUNDS] [SECONDS]
 *
 * Server and load generator are processes of their own, each held to one core where `taskset` is there.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { nodeRuntime } from '../lib/net/node-runtime.ts'
import { PADDING_SOFTWARE } from '../lib/protocol/stun/nat-survey.ts'
import { bindingRequest } from '../lib/protocol/stun/message.ts'
import { StunService } from '../relay-server/stun-service.ts'

const SCRIPT = fileURLToPath(import.meta.url)
/** Requests that are under way at once: enough to keep the server busy, few enough for its receive buffer. */
const WINDOW = 64
const LOAD_SOCKETS = 4

type Kind = 'echo' | 'stun'

/** The server under test; prints its port. */
async function serve(kind: Kind): Promise<void> {
  if (kind === 'echo') {
    const socket = createSocket('udp4')
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address))
    socket.bind(0, '127.0.0.1', () => console.log(socket.address().port))
    return
  }
  const unlimited = { ratePerS: Infinity, burst: Infinity, maxSources: 1024 }
  const options = { addresses: [{ ip: '127.0.0.1', port: 0 }], rateLimit: unlimited, ration: unlimited }
  const service = await StunService.open(options, nodeRuntime().clock)
  console.log(service.addresses[0]?.port)
}

/** Keeps WINDOW requests under way for some seconds; prints answers per second. */
function load(port: number, seconds: number): void {
  const request = bindingRequest(nodeRuntime().random.bytes(12), [PADDING_SOFTWARE])
  let answers = 0
  const startMs = performance.now()
  const sockets = Array.from({ length: LOAD_SOCKETS }, () => {
    const socket = createSocket('udp4')
    socket.on('message', () => {
      answers++
      socket.send(request)
    })
    socket.connect(port, '127.0.0.1', () => {
      for (let i = 0; i < WINDOW / LOAD_SOCKETS; i++) socket.send(request)
    })
    return socket
  })
  // What the kernel dropped is put under way again.
  const refill = setInterval(() => {
    for (const socket of sockets) socket.send(request)
  }, 20)
  setTimeout(() => {
    console.log(Math.round((answers * 1000) / (performance.now() - startMs)))
    clearInterval(refill)
    for (const socket of sockets) socket.close()
  }, seconds * 1000)
}

function start(core: number, args: readonly string[]): ChildProcess {
  const pinned = process.platform === 'linux' && cpus().length > 1
  const command = [process.execPath, SCRIPT, ...args]
  const [program = '', ...rest] = pinned ? ['taskset', '-c', String(core), ...command] : command
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

function firstLine(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim())))
    child.once('error', reject)
  })
}

async function round(kind: Kind, seconds: number): Promise<number> {
  const server = start(0, ['serve', kind])
  try {
    const port = await firstLine(server)
    return await firstLine(start(1, ['load', String(port), String(seconds)]))
  } finally {
    server.kill()
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

async function compare(rounds: number, seconds: number): Promise<void> {
  const results: Record<Kind, number[]> = { echo: [], stun: [] }
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}`)
  for (let i = 1; i <= rounds; i++) {
    for (const kind of ['echo', 'stun'] as const) results[kind].push(await round(kind, seconds))
    console.log(`round ${i}: echo ${results.echo.at(-1) ?? 0}/s, stun ${results.stun.at(-1) ?? 0}/s`)
  }
  const echo = median(results.echo)
  const stun = median(results.stun)
  console.log(`median: echo ${echo}/s, stun ${stun}/s, ratio ${(stun / echo).toFixed(2)}`)
}

const [mode, ...args] = process.argv.slice(2)
if (mode === 'serve') await serve(args[0] === 'echo' ? 'echo' : 'stun')
else if (mode === 'load') load(Number(args[0]), Number(args[1]))
else await compare(Number(mode ?? 5), Number(args[0] ?? 3))
