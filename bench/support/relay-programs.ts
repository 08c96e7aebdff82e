import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const ATTEMPTS = 100

/** True when the program is there. */
export function isProgram(name: string, versionFlag = '-v'): boolean {
  try {
    execFileSync(name, [versionFlag], {
      stdio: 'ignore',
      env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin` },
    })
    return true
  } catch {
    return false
  }
}

/** What runs HAProxy in tcp mode, splicing in the kernel, from `port` to `targetPort`. */
export function haproxyCommand(port: number, targetPort: number, folder: string): [string, ...string[]] {
  const config = join(folder, 'config')
  writeFileSync(config, haproxyConfig(port, targetPort))
  return ['/usr/sbin/haproxy', '-q', '-db', '-f', config]
}

/** What runs nginx as a stream proxy from `port` to `targetPort`. */
export function nginxCommand(port: number, targetPort: number, folder: string): [string, ...string[]] {
  const config = join(folder, 'config')
  writeFileSync(config, nginxConfig(port, targetPort, folder))
  return ['/usr/sbin/nginx', '-c', config, '-e', 'stderr']
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

/** A port of 127.0.0.1 that nobody uses. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** Resolves as soon as somebody listens on the port. */
export async function accepts(port: number): Promise<void> {
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
