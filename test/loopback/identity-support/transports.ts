import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { FakeClock } from '../../unit/net/support/fake-clock.ts'

/** Two ends of one connection. */
export interface TransportPair {
  readonly dialling: Duplex
  readonly dialled: Duplex
}

/** A way to make connections, by name. */
export interface TransportKind {
  readonly title: string
  readonly open: (t: ExecutionContext) => Promise<TransportPair>
}

/** What secure channels have to run over: sockets, and anything else that is a Duplex. */
export const transportKinds: readonly TransportKind[] = [
  { title: 'TCP', open: tcpPair },
  { title: 'a plain Duplex', open: plainPair },
]

/** A connection over 127.0.0.1, both ends as lib/net opens them. */
export async function tcpPair(t: ExecutionContext): Promise<TransportPair> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dialling = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const dialled = await accepted
  server.close()
  t.teardown(() => [dialling, dialled].map((socket) => socket.destroy()))
  return { dialling, dialled }
}

function plainPair(t: ExecutionContext): Promise<TransportPair> {
  const [dialling, dialled] = duplexPair()
  // As a connection does: when one end is gone, so is the other.
  dialling.once('close', () => dialled.destroy())
  dialled.once('close', () => dialling.destroy())
  t.teardown(() => [dialling, dialled].map((end) => end.destroy()))
  return Promise.resolve({ dialling, dialled })
}

/** Resolves when the stream is gone. */
export function closed(stream: Duplex): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once('close', resolve))
}

/** Everything that comes until the other side ends its half. */
export async function readToEnd(stream: Duplex): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  await new Promise<void>((resolve, reject) => {
    stream.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    stream.once('end', resolve).once('error', reject)
    stream.once('close', () => reject(new Error('closed before its end')))
  })
  return Buffer.concat(chunks)
}

/** The next bytes, at least `length` of them. */
export function readBytes(stream: Duplex, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0)
    const onData = (chunk: Uint8Array) => {
      seen = Buffer.concat([seen, chunk])
      if (seen.length < length) return
      stream.off('data', onData)
      stream.pause()
      resolve(seen)
    }
    stream.on('data', onData)
    stream.once('close', () => reject(new Error(`closed after ${seen.length} bytes`)))
  })
}

/** Waits until nothing is timed any more; fails the test when something stays. */
export async function noTimerIsLeft(t: ExecutionContext, clock: FakeClock): Promise<void> {
  for (let turn = 0; turn < 2000 && clock.pendingTimers > 0; turn++) await nextTurn()
  t.deepEqual(clock.pendingDelaysMs, [])
}
