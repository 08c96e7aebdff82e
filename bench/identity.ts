/**
 * What the identity of a peer costs, by type of key: drawing a key, issuing a certificate, and full mutual TLS 1.3
 * handshakes; and what SecureServer and connectSecurely (verdicts and decideTrust included) add to bare tls.
 * Everything in interleaved rounds; medians, and ratios to Ed25519. Absolute figures depend on the machine.
 *
 *   npm run build:test && node build/bench/identity.js [ROUNDS] [SECONDS]
 *
 * Handshakes run over 127.0.0.1 between a server and a client process, each held to one core where `taskset` is there;
 * what is counted is the server's core: handshakes per second of its processor time, and per second.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTcp, createServer as createTcpServer } from 'node:net'
import { cpus } from 'node:os'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { certificatesFromPem } from '../lib/identity/certificate/certificate.ts'
import { issueLeaf, issueRoot } from '../lib/identity/issue/certificate-profiles.ts'
import type { Issuer } from '../lib/identity/issue/sign-certificate.ts'
import { spkiOf } from '../lib/identity/issue/signing-key.ts'
import { privateKeyFromPem } from '../lib/identity/keys/key-pair.ts'
import { connectSecurely } from '../lib/identity/tls/connect-securely.ts'
import { SecureServer } from '../lib/identity/tls/secure-server.ts'
import type { TrustPolicy } from '../lib/identity/trust/trust-policy.ts'
import { nodeRuntime } from '../lib/net/node-runtime.ts'
import { median } from './support/statistics.ts'
import { DOMAIN, KEY_TYPES, bareOptions, drawKey, materialOf, readMaterial } from './support/tls-material.ts'
import type { KeyType, Material } from './support/tls-material.ts'

const SCRIPT = fileURLToPath(import.meta.url)
/** Handshakes that are under way at once: enough to keep the server busy. */
const WINDOW = 8

type Kind = 'bare' | 'secure'

function secureOptions({ chainPem, keyPem, rootPem }: Material) {
  const policy: TrustPolicy = { network: { domain: DOMAIN, roots: certificatesFromPem(rootPem) } }
  return {
    credentials: { chain: certificatesFromPem(chainPem), privateKey: privateKeyFromPem(keyPem, 'bench') },
    channel: { clock: nodeRuntime().clock, policy: () => policy },
  }
}

function ignore(): void {
  // the other side hangs up first
}

/** The server under test: says one byte and hangs up. Prints its port; at the end what processor time it took. */
function serve(kind: Kind, material: Material): void {
  const { credentials, channel } = secureOptions(material)
  const secure = new SecureServer({ credentials })
  const listener =
    kind === 'bare'
      ? createTlsServer(
          { ...bareOptions(material), requestCert: true, rejectUnauthorized: true },
          (socket) => {
            socket.on('error', ignore)
            socket.end('!')
          },
        )
      : createTcpServer({ allowHalfOpen: true }, (transport) => {
          secure
            .accept(transport, channel)
            .then(({ stream }) => stream.end('!'))
            .catch(ignore)
        })
  listener.listen(0, '127.0.0.1', () => {
    const address = listener.address()
    console.log(typeof address === 'object' && address !== null ? address.port : 0)
  })
  const started = process.cpuUsage()
  process.on('SIGTERM', () => {
    const { user, system } = process.cpuUsage(started)
    console.log((user + system) / 1e6)
    process.exit()
  })
}

/** Handshake after handshake; prints how many there were. */
async function load(kind: Kind, material: Material, port: number, seconds: number): Promise<void> {
  const { credentials, channel } = secureOptions(material)
  const bare = bareOptions(material)
  const shakeHands = async (): Promise<void> => {
    if (kind === 'bare') {
      const socket = connectTls({ ...bare, host: '127.0.0.1', port, checkServerIdentity: () => undefined })
      await once(socket, 'data')
      socket.destroy()
      return
    }
    const { stream } = await connectSecurely(connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true }), {
      credentials,
      ...channel,
    })
    await once(stream, 'data')
    stream.destroy()
  }
  const endMs = performance.now() + seconds * 1000
  let done = 0
  const worker = async () => {
    while (performance.now() < endMs) {
      await shakeHands()
      done++
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, worker))
  console.log(done)
}

function start(core: number, args: readonly string[], material: Material): ChildProcess {
  const pinned = process.platform === 'linux' && cpus().length > 1
  const command = [process.execPath, SCRIPT, ...args]
  const [program = '', ...rest] = pinned ? ['taskset', '-c', String(core), ...command] : command
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(material))
  return child
}

function nextLine(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim())))
    child.once('error', reject)
  })
}

interface Rate {
  readonly perSecond: number
  readonly perCpuSecond: number
}

async function handshakes(kind: Kind, material: Material, seconds: number): Promise<Rate> {
  const server = start(0, ['serve', kind], material)
  const port = await nextLine(server)
  const done = await nextLine(start(1, ['load', kind, String(port), String(seconds)], material))
  const cpu = nextLine(server)
  server.kill()
  return { perSecond: Math.round(done / seconds), perCpuSecond: Math.round(done / (await cpu)) }
}

/** How often `action` can be done in a second. */
async function rate(seconds: number, action: () => unknown): Promise<number> {
  const startMs = performance.now()
  let done = 0
  while (performance.now() - startMs < seconds * 1000) {
    await action()
    done++
  }
  return Math.round((done * 1000) / (performance.now() - startMs))
}

/** Rows of rates by what was measured, in the order in which they came. */
class Results {
  readonly #rates = new Map<string, number[]>()

  add(what: string, value: number): void {
    this.#rates.set(what, [...(this.#rates.get(what) ?? []), value])
  }

  print(title: string, ofWhat: readonly string[]): void {
    console.log(`\n${title}`)
    const first = median(this.#rates.get(ofWhat[0] ?? '') ?? [])
    for (const what of ofWhat) {
      const rates = this.#rates.get(what) ?? []
      const ratio = (median(rates) / first).toFixed(2)
      console.log(
        `  ${what.padEnd(34)} ${String(median(rates)).padStart(7)}/s  × ${ratio}   (${rates.join(', ')})`,
      )
    }
  }
}

async function compare(rounds: number, seconds: number): Promise<void> {
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}`)
  const results = new Results()
  const materials = new Map<KeyType, Material>()
  const issuers = new Map<KeyType, Issuer>()
  const nowMs = nodeRuntime().clock.wallMs()
  const memberKey = spkiOf(drawKey('Ed25519'))
  for (const type of KEY_TYPES) {
    materials.set(type, await materialOf(type))
    const privateKey = drawKey(type)
    issuers.set(type, { certificate: await issueRoot(DOMAIN, privateKey, nowMs), privateKey })
  }
  for (let i = 1; i <= rounds; i++) {
    for (const type of KEY_TYPES) {
      results.add(`key ${type}`, await rate(seconds, () => drawKey(type)))
      const issuer = issuers.get(type)
      const subject = { name: 'peer', domain: DOMAIN, roles: ['peer'] as const, spki: memberKey }
      if (issuer !== undefined) {
        results.add(`issue by ${type}`, await rate(seconds, () => issueLeaf(subject, issuer, nowMs)))
      }
      const material = materials.get(type)
      if (material === undefined) continue
      for (const kind of type === 'Ed25519' ? (['bare', 'secure'] as const) : (['bare'] as const)) {
        const { perSecond, perCpuSecond } = await handshakes(kind, material, seconds)
        results.add(`${kind} tls ${type}`, perSecond)
        results.add(`${kind} tls ${type} (cpu)`, perCpuSecond)
      }
    }
    console.log(`round ${i} of ${rounds}`)
  }
  const bare = KEY_TYPES.map((type) => `bare tls ${type}`)
  const cpu = (names: readonly string[]) => names.map((name) => `${name} (cpu)`)
  const ours = ['bare tls Ed25519', 'secure tls Ed25519']
  results.print(
    'keys drawn',
    KEY_TYPES.map((type) => `key ${type}`),
  )
  results.print(
    'certificates issued by a CA with that key (issueLeaf)',
    KEY_TYPES.map((type) => `issue by ${type}`),
  )
  results.print('mutual TLS 1.3 handshakes, server on one core', bare)
  results.print('the same per second of the server’s processor time', cpu(bare))
  results.print('SecureServer and connectSecurely beside bare tls', ours)
  results.print('the same per second of the server’s processor time', cpu(ours))
}

const [mode, ...args] = process.argv.slice(2)
const kind: Kind = args[0] === 'bare' ? 'bare' : 'secure'
if (mode === 'serve') serve(kind, await readMaterial())
else if (mode === 'load') await load(kind, await readMaterial(), Number(args[1]), Number(args[2]))
else await compare(Number(mode ?? 5), Number(args[0] ?? 2))
