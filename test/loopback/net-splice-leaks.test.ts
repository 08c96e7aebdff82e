import { once } from 'node:events'
import { getEventListeners } from 'node:events'
import test from 'ava'
import { ReadBufferPool } from '../../lib/net/read-buffer.ts'
import { VirtualClock } from '../sim/virtual-clock.ts'
import { PairServer, failure } from './splice-support/joined-pair.ts'

const PAIRS = 3000

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

test.serial(
  'thousands of short pairs, ended, reset and aborted, leave no socket, timer, listener or buffer',
  async (t) => {
    await using server = await PairServer.open('127.0.0.1')
    const before = openSockets()
    const clock = new VirtualClock()
    const pool = new ReadBufferPool()
    const controller = new AbortController()
    const { signal } = controller
    const kinds: string[] = []
    for (let i = 0; i < PAIRS; i++) {
      const { left, right, splice } = await server.join({ clock, pool, signal })
      const gone = Promise.all([failure(left), failure(right)])
      left.write('hello')
      await once(right, 'data')
      if (i % 3 === 0) {
        left.end()
        right.end()
      } else if (i % 3 === 1) left.resetAndDestroy()
      else void splice.close()
      await gone
      kinds.push((await splice.closed).kind)
    }
    for (const kind of ['ended', 'reset', 'aborted']) {
      t.is(kinds.filter((one) => one === kind).length, PAIRS / 3, kind)
    }
    t.is(server.connectionCount, 0)
    t.is(openSockets(), before)
    t.is(clock.pendingTimers, 0)
    t.is(getEventListeners(signal, 'abort').length, 0)
    t.is(pool.lentBytes, 0)
  },
)
