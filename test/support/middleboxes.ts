import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'

/** Where something listens or leads. */
export interface BoxEndpoint {
  readonly host: string
  readonly port: number
}

/** A middlebox that runs. */
export interface Middlebox {
  readonly port: number
  /** Connections that it has seen. */
  readonly connections: () => number
  /** Cuts all that are open, and takes no new ones. */
  close(): Promise<void>
}

/** Joins two connections; the end of either way cuts both. */
function joined(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy()).on('close', () => to.destroy())
    from.pipe(to)
  }
}

async function started(server: Server, listen: BoxEndpoint): Promise<Middlebox> {
  const open = new Set<Socket>()
  let count = 0
  server.on('connection', (socket: Socket) => {
    count++
    open.add(socket)
    socket.on('error', () => undefined).once('close', () => open.delete(socket))
  })
  server.listen(listen.port, listen.host)
  await once(server, 'listening')
  const address = server.address()
  const close = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of open) socket.destroy()
    await closed
  }
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, connections: () => count, close }
}

/** Lets through what begins as TLS, and cuts everything else: inspection that knows a few protocols. */
export function onlyTlsBox(listen: BoxEndpoint, upstream: BoxEndpoint): Promise<Middlebox> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', (first: Buffer) => {
      if (first[0] !== 0x16) return socket.destroy()
      const out = connect({ ...upstream, allowHalfOpen: true })
      out.write(first)
      joined(socket, out)
    })
  })
  return started(server, listen)
}

/** Cuts connections over which nothing has gone for so long. */
export function idleCutter(listen: BoxEndpoint, upstream: BoxEndpoint, idleMs: number): Promise<Middlebox> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const out = connect({ ...upstream, allowHalfOpen: true })
    joined(socket, out)
    socket.setTimeout(idleMs, () => socket.destroy())
  })
  return started(server, listen)
}

/** What an interceptor shows: a certificate of its own authority. */
export interface InterceptorCertificate {
  readonly key: string
  readonly cert: string
}

/** Makes one with openssl. */
export function interceptorCertificate(): InterceptorCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'interceptor-'))
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')]
  const subject = ['-subj', '/O=Example Corp/CN=Example Corp TLS Inspection', '-days', '30']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  })
  const made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  rmSync(folder, { recursive: true })
  return made
}

/** An interceptor, and whatever it has read. */
export interface Interceptor extends Middlebox {
  /** What went through it in either direction, decrypted; the beginning of it. */
  readonly seen: () => string
}

/**
 * Ends TLS with a certificate of its own, reads along, and speaks HTTP only: what does not begin with a method is cut.
 */
export async function interceptor(
  listen: BoxEndpoint,
  upstream: BoxEndpoint,
  { key, cert }: InterceptorCertificate,
): Promise<Interceptor> {
  const seen: Buffer[] = []
  const server = createTlsServer({ key, cert, ALPNProtocols: ['http/1.1'] }, (inside) => {
    inside.on('error', () => undefined)
    inside.once('data', (first: Buffer) => {
      seen.push(first)
      if (!/^[A-Z]+ /.test(first.toString('latin1'))) return inside.destroy()
      const outside = connectTls({ ...upstream, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      outside.write(first)
      for (const way of [inside, outside])
        way.on('data', (chunk: Buffer) => {
          if (seen.length < 1000) seen.push(chunk)
        })
      joined(inside, outside)
    })
  })
  server.on('tlsClientError', () => undefined)
  return { ...(await started(server, listen)), seen: () => Buffer.concat(seen).toString('latin1') }
}

/**
 * A proxy that does CONNECT.
 * @param login `name:password`, if it wants one
 * @param resolve where a target is
 */
export function connectProxy(
  listen: BoxEndpoint,
  login?: string,
  resolve: (target: BoxEndpoint) => BoxEndpoint = (target) => target,
): Promise<Middlebox> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', (head: Buffer) => {
      const text = head.toString('latin1')
      const [, host = '', port = ''] = /^CONNECT ([^ ]+):(\d+) HTTP/.exec(text) ?? []
      const [, basic = ''] = /^Proxy-Authorization: Basic (\S+)/im.exec(text) ?? []
      const isWelcome = login === undefined || Buffer.from(basic, 'base64').toString() === login
      if (!isWelcome || host === '') {
        const status = isWelcome ? '400 Bad Request' : '407 Proxy Authentication Required'
        return socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`)
      }
      const target = resolve({ host, port: Number(port) })
      const out = connect({ ...target, allowHalfOpen: true }, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        joined(socket, out)
      })
      out.on('error', () => socket.destroy())
    })
  })
  return started(server, listen)
}
