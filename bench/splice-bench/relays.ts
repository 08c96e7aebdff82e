import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { splice } from '../../lib/net/splice.ts'
import { listenTcp } from '../../lib/net/tcp-server.ts'
import { start } from './process.ts'

export const RELAY_KINDS = ['splice', 'haproxy', 'nginx', 'direct'] as const
export type RelayKind = (typeof RELAY_KINDS)[number]

/** A relay that listens on `port` and hands everything on to the port it was given. */
export interface Relay extends AsyncDisposable {
  readonly port: number
  readonly pid: number
}

const RELAY_CORE = 1
const ATTEMPTS = 100

/** True when the relay's program is there. */
export function isInstalled(kind: RelayKind): boolean {
  if (kind === 'splice' || kind === 'direct') return true
  try {
    execFileSync(kind, ['-v'], { stdio: 'ignore', env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin` } })
    return true
  } catch {
    return false
  }
}

/** Starts a relay to `targetPort` and waits until it accepts. */
export async function openRelay(kind: RelayKind, targetPort: number, script: string): Promise<Relay> {
  if (kind === 'direct') {
    return { port: targetPort, pid: process.pid, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'splice-bench-'))
  const [program, ...args] = command(kind, port, targetPort, script, folder)
  const started = start(RELAY_CORE, program, args)
  await accepts(port)
  return {
    port,
    pid: started.child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

function command(
  kind: Exclude<RelayKind, 'direct'>,
  port: number,
  targetPort: number,
  script: string,
  folder: string,
): [string, ...string[]] {
  const config = join(folder, 'config')
  switch (kind) {
    case 'splice':
      return [process.execPath, script, 'serve', `${targetPort}`, `${port}`]
    case 'haproxy':
      writeFileSync(config, haproxyConfig(port, targetPort))
      return ['/usr/sbin/haproxy', '-q', '-db', '-f', config]
    case 'nginx':
      writeFileSync(config, nginxConfig(port, targetPort, folder))
      return ['/usr/sbin/nginx', '-c', config, '-e', 'stderr']
  }
}

function haproxyConfig(port: number, targetPort: number): string {
  return `
global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  option splice-request
  option splice-response
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen relay
  bind 127.0.0.1:${port}
  server sink 127.0.0.1:${targetPort}
`
}

function nginxConfig(port: number, targetPort: number, folder: string): string {
  return `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr;
events { worker_connections 20000; }
stream {
  server {
    listen 127.0.0.1:${port};
    proxy_pass 127.0.0.1:${targetPort};
    proxy_buffer_size 256k;
    proxy_timeout 1h;
    proxy_half_close on;
  }
}
`
}

/** Our relay: accepts, dials the target, splices. Runs until it is ended. */
export async function serveSplice(targetPort: number, port: number): Promise<void> {
  await listenTcp({ ip: '127.0.0.1', port, allowHalfOpen: true }, (a) => {
    const options = { host: '127.0.0.1', port: targetPort, noDelay: true, allowHalfOpen: true }
    const b = connect(options, () => void splice(a, b))
    b.on('error', () => a.destroy())
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

async function accepts(port: number): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const socket = connect(port, '127.0.0.1')
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (isUp) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}
