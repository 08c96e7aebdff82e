import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseSshUrl } from '../../lib/base/ssh-url.ts'
import { probeSsh } from '../../lib/probe/egress/ssh-egress.ts'
import { peerWayOf } from '../../lib/probe/peer-way.ts'
import { runtimeAt } from './network-support.ts'

/** The port of a server that does this with whoever comes. */
async function serverOf(t: ExecutionContext, greet: (socket: Socket) => void): Promise<number> {
  const server = createServer(greet).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const probe = (port: number, timeoutMs = 5000) =>
  probeSsh(runtimeAt(), parseSshUrl(`ssh://me@127.0.0.1:${port}`), { timeoutMs })

test('a server that says it is one works, also behind other lines and in pieces', async (t) => {
  const port = await serverOf(t, (socket) => {
    socket.write('welcome\r\nSSH-2.0-Open')
    setImmediate(() => socket.write('SSH_9.2\r\nmore'))
  })
  const fact = await probe(port)
  t.like(fact, { relay: `ssh://me@127.0.0.1:${port}`, transport: 'ssh', port, ip: '127.0.0.1', value: true })
  t.deepEqual(fact.evidence, ['it says SSH-2.0-OpenSSH_9.2'])
  t.like(peerWayOf([fact]), { value: 'ssh', evidence: ['ssh works'] })
})

for (const [name, greet, error] of [
  ['speaks HTTP', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'EPROTO'],
  ['says too much', (socket: Socket) => socket.write('x'.repeat(5000)), 'EPROTO'],
  ['is cut', (socket: Socket) => socket.destroy(), 'EPROTO'],
] as const) {
  test(`what ${name} is no SSH server`, async (t) => {
    const port = await serverOf(t, (socket) => void greet(socket.on('error', () => undefined)))
    const fact = await probe(port)
    t.like(fact, { value: false, confidence: 'measured', error })
    t.like(peerWayOf([fact]), { value: 'none' })
  })
}

test('one that says nothing is not believed to be there', async (t) => {
  const sockets: Socket[] = []
  const port = await serverOf(t, (socket) => sockets.push(socket))
  t.like(await probe(port, 50), { value: false, confidence: 'inferred', error: 'ETIMEDOUT' })
  for (const socket of sockets) socket.destroy()
})
