import { once } from 'node:events'
import http from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Session } from '../../lib/session/session.ts'
import type { SessionStream } from '../../lib/session/session-stream.ts'
import {
  aHost,
  aSession,
  accepting,
  alice,
  bob,
  deferred,
  digest,
  echo,
  feed,
  quiet,
} from './session-support/hosts.ts'

/* A SessionStream in the place of a net.Socket: timeouts, and what node:http does to its sockets. */

const MIB = 1024 * 1024

/** A web server of bob's that listens nowhere, the session that leads to it, and the streams that it got. */
async function webServer(t: ExecutionContext, onRequest: RequestListener) {
  const server = http.createServer(onRequest)
  const streams: SessionStream[] = []
  const web = accepting((stream) => {
    streams.push(stream)
    server.emit('connection', stream)
  })
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { web, echo }))
  t.teardown(() => server.closeAllConnections())
  return { server, streams, here, there }
}

/** An agent whose connections are streams of the session; `opened` counts them. */
class StreamAgent extends http.Agent {
  opened = 0
  readonly #session: Session

  constructor(session: Session, options: http.AgentOptions) {
    super(options)
    this.#session = session
  }

  override createConnection(): SessionStream {
    this.opened++
    return this.#session.open('web')
  }
}

async function answerOf(request: http.ClientRequest): Promise<IncomingMessage> {
  const happened: readonly unknown[] = await once(request, 'response')
  const [response] = happened
  if (response instanceof http.IncomingMessage) return response
  throw new Error('no response')
}

async function streamOver(t: ExecutionContext, streams: readonly SessionStream[], session: Session) {
  const isOver = () => session.streamCount === 0 && streams.every(({ destroyed }) => destroyed)
  for (let waits = 0; !isOver() && waits < 300; waits++) await sleep(10)
  t.true(isOver())
}

test.serial('what is written and ended in one turn leaves in one piece', async (t) => {
  let arrived = ''
  const keep = accepting((stream) => {
    stream.on('data', (bytes: Buffer) => (arrived += String(bytes))).on('end', () => stream.end())
  })
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { keep }))
  const stream = quiet(here.open('keep'))
  await once(stream, 'accepted')
  const pieces = tlsWrites(t)
  stream.write('one ')
  stream.write('two ')
  stream.write('three ')
  stream.end('four')
  t.is(pieces.length, 0)
  await new Promise((resolve) => setImmediate(resolve))
  t.is(pieces.length, 1)
  await once(stream.resume(), 'end')
  t.is(arrived, 'one two three four')
})

test.serial(
  'bytes, texts and what is corked keep their order, and memory is the writer’s again',
  async (t) => {
    const words: string[] = []
    const keep = accepting((stream) => {
      stream.setEncoding('utf8').on('data', (text: string) => words.push(text))
      stream.on('end', () => stream.end())
    })
    const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { keep }))
    const stream = quiet(here.open('keep'))
    await once(stream, 'accepted')
    const memory = Buffer.alloc(5)
    const writeBytes = (text: string) => {
      memory.write(text)
      t.true(stream.write(memory))
      memory.fill('#')
    }
    writeBytes('alone')
    t.is(stream.writableLength, 0, 'past the queue')
    await sleep(20)
    let isCalled = false
    writeBytes('first')
    stream.write(' text ')
    stream.write(Buffer.from('known'), () => (isCalled = true))
    stream.cork()
    stream.write(Buffer.from(' corked'))
    t.true(stream.writableLength > 0)
    stream.uncork()
    stream.end(Buffer.from(' end'))
    await once(stream.resume(), 'end')
    t.is(words.join(''), 'alonefirst text known corked end')
    t.true(isCalled)
  },
)

/** Lengths of what all TLS connections of this process write from now on, until the test is over. */
function tlsWrites(t: ExecutionContext): readonly number[] {
  const lengths: number[] = []
  const write: unknown = Reflect.get(TLSSocket.prototype, '_write')
  if (typeof write !== 'function') throw new Error('a TLSSocket writes otherwise')
  Reflect.set(
    TLSSocket.prototype,
    '_write',
    function (this: TLSSocket, bytes: Uint8Array, ...rest: unknown[]) {
      lengths.push(bytes.length)
      return Reflect.apply(write, this, [bytes, ...rest]) as unknown
    },
  )
  t.teardown(() => Reflect.deleteProperty(TLSSocket.prototype, '_write'))
  return lengths
}

test('who pauses in between, or wants text at last, gets everything in order', async (t) => {
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  const numbers = Array.from({ length: 600 }, (_, i) => `${i}é `)
  const parts: (Buffer | string)[] = []
  stream.on('data', (part: Buffer | string) => {
    parts.push(part)
    if (parts.length % 7 !== 0) return
    stream.pause()
    setTimeout(() => stream.resume(), 2)
  })
  for (const [i, number] of numbers.entries()) {
    stream.write(number)
    if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    if (i === 300) {
      while (
        Buffer.concat(parts.map((part) => Buffer.from(part))).length < numbers.slice(0, 301).join('').length
      ) {
        await sleep(1)
      }
      stream.setEncoding('utf8')
    }
  }
  stream.end()
  await once(stream, 'end')
  t.is(parts.map(String).join(''), numbers.join(''))
  t.true(parts.some((part) => typeof part === 'string') && parts.some((part) => typeof part !== 'string'))
})

test('a read ahead of nobody who listens is for whoever reads next', async (t) => {
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  const first = once(stream, 'data')
  stream.write('one')
  t.is(String((await first)[0]), 'one')
  stream.pause()
  stream.write('two')
  await once(stream, 'readable')
  t.is(String(stream.read()), 'two')
  stream.end('three')
  let rest = ''
  for await (const part of stream) rest += String(part)
  t.is(rest, 'three')
})

test('setTimeout tells of an idle stream, and leaves it alone', async (t) => {
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  let told = 0
  t.is(stream.timeout, 0)
  t.is(
    stream.setTimeout(60, () => told++),
    stream,
  )
  t.is(stream.timeout, 60)
  await once(stream, 'timeout')
  t.is(told, 1)
  await sleep(150)
  t.is(told, 1)

  const answered = once(stream, 'data')
  stream.write('still here')
  t.deepEqual(await answered, [Buffer.from('still here')])
  await once(stream, 'timeout')
  t.is(told, 1, 'the callback was for one time')
  const never = () => t.fail()
  stream.setTimeout(60, never).setTimeout(0, never)
  await sleep(150)
  t.throws(() => stream.setTimeout(-1), { instanceOf: RangeError })
  stream.destroy()
  t.is(stream.setTimeout(1, never).timeout, 0)
  await sleep(30)
})

test('a stream that is in use does not time out', async (t) => {
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  stream.resume().setTimeout(300, () => t.fail())
  for (let at = 0; at < 12; at++) {
    stream.write('.')
    await sleep(50)
  }
  t.is(stream.timeout, 300)
  stream.end()
  await once(stream, 'close')
})

test('destroy after the end loses nothing, however late the peer reads', async (t) => {
  let sent: Promise<string> | undefined
  const web = accepting((stream) => {
    sent = feed(stream, 200_000)
    stream.once('finish', () => stream.destroy())
  })
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { web }))
  const stream = quiet(here.open('web'))
  await sleep(300)
  t.deepEqual(await digest(stream), { length: 200_000, hash: await sent })
  stream.end()
  await streamOver(t, [stream], here)
  await streamOver(t, [], there)
})

test('who goes on writing to a stream that was destroyed after its end is told', async (t) => {
  const web = accepting((stream) => stream.end('enough').destroySoon())
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { web }))
  const stream = here.open('web')
  stream.resume()
  const failed = once(stream, 'error')
  const writeOn = () => {
    while (!stream.destroyed && stream.write(Buffer.alloc(10_000)));
  }
  stream.on('drain', writeOn)
  writeOn()
  const happened: readonly unknown[] = await failed
  const [error] = happened
  t.like(error, { code: 'ERR_REACH_STREAM_RESET', details: { reason: 'cancelled' } })
  await streamOver(t, [stream], there)
})

test('http: requests share a stream that is kept alive, and the server ends it when it is idle', async (t) => {
  const { server, streams, here } = await webServer(t, (_request, response) => {
    response.setHeader('connection', 'keep-alive') // without the promise of whole seconds that Node would add
    response.end('hello')
  })
  server.keepAliveTimeout = 300
  const agent = new StreamAgent(here, { keepAlive: true })
  for (let at = 0; at < 3; at++) {
    const response = await answerOf(http.get('http://bob/', { agent }))
    t.is((await digest(response)).length, 5)
    await sleep(5)
  }
  t.is(agent.opened, 1)
  await streamOver(t, streams, here)
  const response = await answerOf(http.get('http://bob/', { agent }))
  t.is((await digest(response)).length, 5)
  t.is(agent.opened, 2)
  agent.destroy()
})

test('http: Connection: close ends the stream behind the last byte', async (t) => {
  const { streams, here, there } = await webServer(t, (_request, response) => {
    void feed(response, 3 * MIB)
  })
  const agent = new StreamAgent(here, { keepAlive: false })
  const response = await answerOf(http.get('http://bob/', { agent }))
  t.is(response.headers.connection, 'close')
  t.is((await digest(response)).length, 3 * MIB)
  await streamOver(t, streams, here)
  await streamOver(t, [], there)
})

test('http: 1.0, without a length, ends with the stream', async (t) => {
  const { here } = await webServer(t, (_request, response) => void feed(response, MIB))
  const stream = quiet(here.open('web'))
  stream.write('GET / HTTP/1.0\r\n\r\n')
  const { length } = await digest(stream)
  t.true(length > MIB && length < MIB + 1000)
})

test('http: large bodies both ways, and who reads slowly is not flooded', async (t) => {
  const { here, there } = await webServer(t, (request, response) => request.pipe(response))
  const request = http.request('http://bob/', {
    method: 'POST',
    agent: new StreamAgent(here, { keepAlive: false }),
  })
  const total = 40 * MIB
  const sent = feed(request, total)
  const response = await answerOf(request)
  await sleep(500)
  const { unread } = here.memory
  t.true(unread <= 16 * MIB, `${unread} bytes are more than the largest window`)
  t.true(there.memory.unread <= 16 * MIB)
  t.deepEqual(await digest(response), { length: total, hash: await sent })
})

test('http: a request that is aborted ends at the server', async (t) => {
  const closed = deferred<boolean>()
  const { streams, here } = await webServer(t, (request, response) => {
    response.write('first')
    response.once('close', () => closed.resolve(response.writableFinished || request.complete))
  })
  const controller = new AbortController()
  const request = http.request('http://bob/', {
    method: 'POST',
    agent: new StreamAgent(here, { keepAlive: true }),
    signal: controller.signal,
  })
  request.write('half of it')
  const response = await answerOf(request)
  const failed = once(response, 'error')
  response.resume()
  controller.abort()
  await failed
  t.false(await closed.promise)
  await streamOver(t, streams, here)
})

test('http: a response that breaks off is an error for the client', async (t) => {
  const { streams, here } = await webServer(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 })
    response.write('half')
    void sleep(50).then(() => response.destroy())
  })
  const agent = new StreamAgent(here, { keepAlive: true })
  const request = http.get('http://bob/', { agent })
  const response = await answerOf(request)
  request.on('error', () => undefined)
  await t.throwsAsync(digest(response))
  await streamOver(t, streams, here)
})

test('http: a client’s timeout and a server’s timeout fire', async (t) => {
  const { server, streams, here } = await webServer(t, () => undefined)
  const request = http.get('http://bob/', {
    agent: new StreamAgent(here, { keepAlive: true }),
    timeout: 80,
  })
  await once(request, 'timeout')
  const gone = once(request, 'error')
  request.destroy()
  await gone
  await streamOver(t, streams, here)

  server.setTimeout(80)
  const idle = quiet(here.open('web'))
  await new Promise((resolve) => idle.resume().once('close', resolve))
  await streamOver(t, streams, here)
})

test('http: an upgrade hands the stream over', async (t) => {
  const { server, streams, here } = await webServer(t, (_request, response) => response.end())
  server.on('upgrade', (_request, stream: Duplex) => {
    stream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    stream.pipe(stream)
  })
  const agent = new StreamAgent(here, { keepAlive: true })
  const request = http.get('http://bob/', { agent, headers: { connection: 'Upgrade', upgrade: 'echo' } })
  const stream = await new Promise<Duplex>((resolve) =>
    request.once('upgrade', (_response, upgraded: Duplex) => resolve(upgraded)),
  )
  const sent = feed(stream, 4 * MIB)
  t.deepEqual(await digest(stream), { length: 4 * MIB, hash: await sent })
  await streamOver(t, streams, here)
})
