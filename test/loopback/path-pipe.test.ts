import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { nodeClock } from '../../lib/net/node-clock.ts'
import { PathPipe } from '../../lib/session/path-pipe.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { aTlsPair } from './identity-support/tls-pair.ts'
import { closed, transportKinds } from './identity-support/transports.ts'
import { receiveHashed } from './splice-support/hashed-stream.ts'

const MIB = 1024 * 1024

/** A pipe, and how often it said that it has room again, and that it is over. */
function aPipe(stream: Duplex) {
  const told = { room: 0, lost: 0 }
  const later = (delayMs: number, callback: () => void) => nodeClock.setTimer(delayMs, callback)
  const pipe = new PathPipe(1, { kind: 'relay', via: 'nowhere' }, stream, later, {
    onBytes: () => true,
    onRoom: () => told.room++,
    onLost: () => told.lost++,
  })
  return { pipe, told }
}

for (const { title, open } of transportKinds) {
  test(`over ${title}: its last words and its end come behind what waits to be sent`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    const { pipe, told } = aPipe(client)
    server.pause()
    const bytes = new SeededRandom(`pipe ${title}`).bytes(8 * MIB)
    const words = Buffer.from('the last words')
    t.true(pipe.takesMore())
    pipe.write([bytes.subarray(0, 5), bytes.subarray(5)])
    pipe.flush()
    t.false(pipe.takesMore(), 'nobody reads')
    pipe.close(words)
    t.false(pipe.takesMore())
    t.is(await receiveHashed(server), createHash('sha256').update(bytes).update(words).digest('hex'))
    server.end()
    await closed(client)
    t.deepEqual(told, { room: 0, lost: 0 })
  })

  test(`over ${title}: what is flushed too early goes as soon as it can`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    const { pipe, told } = aPipe(client)
    const arrived = receiveHashed(server)
    const bytes = new SeededRandom(`early ${title}`).bytes(MIB)
    const half = MIB / 2
    pipe.write([bytes.subarray(0, half)])
    pipe.flush()
    t.false(pipe.takesMore())
    pipe.write([bytes.subarray(half)])
    pipe.flush()
    for (let i = 0; i < 200 && told.room === 0; i++) await sleep(10)
    t.true(told.room > 0)
    pipe.close()
    t.is(await arrived, createHash('sha256').update(bytes).digest('hex'))
  })

  test(`over ${title}: a peer that vanishes in the middle of a write ends it`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    const { pipe, told } = aPipe(client)
    pipe.read()
    server.pause()
    pipe.write([Buffer.alloc(8 * MIB)])
    pipe.flush()
    server.destroy()
    await closed(client)
    t.is(told.lost, 1)
    t.true(client.destroyed)
  })
}
