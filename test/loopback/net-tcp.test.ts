import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { connectTcp } from '../../lib/net/tcp-socket.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'

interface Listening {
  readonly server: Server
  readonly port: number
}

async function listen(
  ip: string,
  onConnection: (socket: Socket) => void = () => undefined,
): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true }, onConnection)
  server.listen(0, ip)
  await once(server, 'listening')
  const address = server.address()
  return { server, port: isAddressInfo(address) ? address.port : 0 }
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

for (const { family, ip, skipReason } of await loopbackFamilies()) {
  if (skipReason !== undefined) {
    console.log(`skipped TCP tests over ${family}: ${skipReason}`)
    continue
  }

  test(`${family}: bytes go both ways, and the socket knows its two ends, also when closed`, async (t) => {
    const { server, port } = await listen(ip, (socket) => void socket.pipe(socket))
    const to = transportAddress(ip, port, 'tcp')
    const socket = await connectTcp(to)
    socket.end('hello')
    t.is(await text(socket), 'hello')
    if (!socket.destroyed) await once(socket, 'close')
    t.deepEqual(socket.remote, to)
    t.deepEqual(socket.local, transportAddress(ip, socket.local.port, 'tcp'))
    t.true(socket.local.port > 0)
    server.close()
  })

  test(`${family}: the other side's end leaves our direction open`, async (t) => {
    let heard: Promise<string> | undefined
    const { server, port } = await listen(ip, (socket) => {
      socket.end('I am done')
      heard = text(socket)
    })
    const socket = await connectTcp(transportAddress(ip, port, 'tcp'))
    socket.resume()
    await once(socket, 'end')
    socket.end('I am not')
    server.close()
    await once(socket, 'close')
    t.is(await heard, 'I am not')
  })

  test(`${family}: a refused connection is ERR_REACH_SOCKET with ECONNREFUSED and says to whom`, async (t) => {
    const { server, port } = await listen(ip)
    server.close()
    await once(server, 'close')
    const remote = transportAddress(ip, port, 'tcp')
    const error = await t.throwsAsync(connectTcp(remote), { code: 'ERR_REACH_SOCKET' })
    t.like(error, { details: { code: 'ECONNREFUSED', remote } })
    t.regex(error.message, new RegExp(`cannot connect to .*:${port}: .*\\(ECONNREFUSED\\)$`))
    t.true(error.cause instanceof Error)
  })

  test(`${family}: connects from the local port asked for`, async (t) => {
    const { server, port } = await listen(ip)
    const free = await listen(ip)
    free.server.close()
    await once(free.server, 'close')
    const socket = await connectTcp(transportAddress(ip, port, 'tcp'), { localPort: free.port })
    t.is(socket.local.port, free.port)
    socket.destroy()
    server.close()
  })

  test(`${family}: a local IP that this host does not have is refused by the system`, async (t) => {
    const { server, port } = await listen(ip)
    const localIp = family === 'ipv4' ? '203.0.113.77' : '2001:db8::77'
    const error = await t.throwsAsync(connectTcp(transportAddress(ip, port, 'tcp'), { localIp }), {
      code: 'ERR_REACH_SOCKET',
    })
    t.like(error, { details: { code: 'EADDRNOTAVAIL' } })
    server.close()
  })

  test(`${family}: a local port that another socket holds is ERR_REACH_ADDRESS_IN_USE`, async (t) => {
    const { server, port } = await listen(ip)
    const taken = await listen(ip)
    const options = { localPort: taken.port }
    const error = await t.throwsAsync(connectTcp(transportAddress(ip, port, 'tcp'), options), {
      code: 'ERR_REACH_ADDRESS_IN_USE',
    })
    t.regex(error.message, new RegExp(`:${taken.port} is in use`))
    server.close()
    taken.server.close()
  })

  test(`${family}: aborting while it connects rejects with the reason and leaves no connection`, async (t) => {
    const { server, port } = await listen(ip)
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const connecting = connectTcp(transportAddress(ip, port, 'tcp'), { signal: controller.signal })
    controller.abort(reason)
    t.is(await t.throwsAsync(connecting), reason)
    // A server closes only once it has no connections: this would hang if one were left.
    server.close()
    await once(server, 'close')
  })

  test(`${family}: once connected, the signal has no say any more`, async (t) => {
    const { server, port } = await listen(ip, (socket) => void socket.pipe(socket))
    const controller = new AbortController()
    const socket = await connectTcp(transportAddress(ip, port, 'tcp'), { signal: controller.signal })
    controller.abort()
    socket.end('alive')
    t.is(await text(socket), 'alive')
    server.close()
  })
}

test('a signal that has fired before rejects at once', async (t) => {
  const reason = new Error('too late')
  const signal = AbortSignal.abort(reason)
  t.is(await t.throwsAsync(connectTcp(transportAddress('127.0.0.1', 9, 'tcp'), { signal })), reason)
})
