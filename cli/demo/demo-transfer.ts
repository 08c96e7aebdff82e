import { createHash, randomBytes } from 'node:crypto'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ReachError } from '../../lib/index.ts'
import { CLI } from '../program-files.ts'
import type { LabNode } from './lab/lab-node.ts'

/** What became of the file. */
export interface TransferReport {
  readonly bytes: number
  readonly ms: number
  /** SHA-256 of what was sent, and of what came, in hex. */
  readonly sent: string
  readonly came: string
  /** What carried it: `relay 203.0.113.2:443`. */
  readonly path: string
  /** A round trip inside the session. */
  readonly rttMs: number
}

/** Where the file goes, and through whom the two find each other. */
export interface TransferHosts {
  readonly relay: LabNode
  readonly relayHome: string
  readonly from: LabNode
  readonly to: LabNode
}

const FILE_BYTES = 64 * 1024 * 1024
const PORT = 9000
const START_TIMEOUT_MS = 30_000
/** A program of anybody's: whoever connects gets the file. */
const FILE_SERVER = `require('node:net').createServer((s) => require('node:fs').createReadStream(process.argv[1]).pipe(s)).listen(${PORT}, '127.0.0.1', () => console.log('listens'))`

/**
 * Two members join the relay's network; one exposes a program that serves a file, the other fetches it by name. Every
 * step is the command that a person would type, on the host where they would type it.
 * @throws {ReachError} ERR_REACH_LAB; the signal's reason
 */
export async function transferFile(
  hosts: TransferHosts,
  onTalk: (line: string) => void,
  signal: AbortSignal,
): Promise<TransferReport> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-reach-demo-'))
  const started: ChildProcessWithoutNullStreams[] = []
  try {
    const { from, to } = hosts
    const [fromHome, toHome] = [join(folder, from.name), join(folder, to.name)]
    for (const [host, home] of [
      [from, fromHome],
      [to, toHome],
    ] as const) {
      await joinNetwork(hosts, host, home, onTalk)
      signal.throwIfAborted()
    }
    const bytes = randomBytes(FILE_BYTES)
    const file = join(folder, 'file')
    await writeFile(file, bytes)
    const server = from.spawn(process.execPath, ['-e', FILE_SERVER, file])
    started.push(server)
    await lineLike(server, /listens/)
    onTalk(`${from.name}$ p2p-reach expose ${PORT} --as file`)
    const expose = start(from, fromHome, 'expose', String(PORT), '--as', 'file', '--json')
    started.push(expose)
    await lineLike(expose, /"event":"ready"/)
    onTalk(`${to.name}$ p2p-reach ping ${from.name} --count 3`)
    const { path, rttMs } = await ping(to, toHome, from.name)
    onTalk(`${to.name}$ p2p-reach connect ${from.name}/file - > file`)
    const startMs = performance.now()
    const fetch = start(to, toHome, 'connect', `${from.name}/file`, '-')
    started.push(fetch)
    const came = await receive(fetch, onTalk, signal)
    return {
      bytes: came.bytes,
      ms: performance.now() - startMs,
      sent: createHash('sha256').update(bytes).digest('hex'),
      came: came.hash,
      path,
      rttMs,
    }
  } finally {
    // They write into their homes to the end.
    await Promise.all(started.map(ended))
    await rm(folder, { recursive: true, force: true })
  }
}

async function joinNetwork(
  { relay, relayHome }: TransferHosts,
  host: LabNode,
  home: string,
  onTalk: (line: string) => void,
): Promise<void> {
  onTalk(`relay$ p2p-reach invite ${host.name}`)
  const invited = await relay.exec(process.execPath, [CLI, 'invite', host.name, '--home', relayHome], {
    env: ENV,
  })
  if (invited.code !== 0) throw failed(`invite ${host.name}`, invited.stderr)
  onTalk(`${host.name}$ p2p-reach join …`)
  const joined = await host.exec(process.execPath, [CLI, 'join', invited.stdout.trim(), '--home', home], {
    env: ENV,
  })
  if (joined.code !== 0) throw failed(`join of ${host.name}`, joined.stderr)
}

/** Proxies of the machine are none in here. */
const ENV = { PATH: process.env.PATH }

function start(host: LabNode, home: string, ...argv: readonly string[]): ChildProcessWithoutNullStreams {
  return host.spawn(process.execPath, [CLI, ...argv, '--home', home], { env: ENV })
}

async function ping(
  host: LabNode,
  home: string,
  name: string,
): Promise<{ readonly path: string; readonly rttMs: number }> {
  const argv = [CLI, 'ping', name, '--count', '3', '--interval', '0.1', '--json', '--home', home]
  const { stdout, stderr, code } = await host.exec(process.execPath, argv, { env: ENV })
  const last = stdout.split('\n').findLast((line) => line.includes('"event":"pong"'))
  if (code !== 0 || last === undefined) throw failed(`ping of ${name}`, stderr)
  const pong: unknown = JSON.parse(last)
  if (!isRecord(pong)) throw failed(`ping of ${name}`, last)
  return { path: `${String(pong.kind)} ${String(pong.via)}`, rttMs: Number(pong.rttMs) }
}

async function receive(
  child: ChildProcessWithoutNullStreams,
  onTalk: (line: string) => void,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly hash: string }> {
  const hash = createHash('sha256')
  let talk = ''
  let bytes = 0
  let told = 0
  child.stderr.on('data', (chunk: Buffer) => (talk += chunk.toString()))
  for await (const chunk of child.stdout) {
    signal.throwIfAborted()
    if (!(chunk instanceof Uint8Array)) continue
    hash.update(chunk)
    bytes += chunk.length
    if (bytes - told >= FILE_BYTES / 4) {
      told = bytes
      onTalk(`${Math.round(bytes / 1024 / 1024)} of ${FILE_BYTES / 1024 / 1024} MiB`)
    }
  }
  if (bytes === 0) throw failed('connect', talk)
  return { bytes, hash: hash.digest('hex') }
}

/** Resolves with the first line of the program that looks so. @throws {ReachError} ERR_REACH_LAB with what it says instead */
function lineLike(child: ChildProcessWithoutNullStreams, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let talk = ''
    const timer = setTimeout(() => reject(failed('a program of the demo', talk)), START_TIMEOUT_MS)
    child.stderr.on('data', (chunk: Buffer) => (talk += chunk.toString()))
    child.once('close', () => {
      clearTimeout(timer)
      reject(failed('a program of the demo', talk))
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!pattern.test(line)) return
      clearTimeout(timer)
      resolve()
    })
  })
}

function failed(what: string, talk: string): ReachError {
  return new ReachError('ERR_REACH_LAB', `${what} failed: ${talk.trim()}`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Asks a process to end, and waits until it has. */
async function ended(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill()
  await exit
}
