import test from 'ava'
import type { Attempt } from '../../../lib/ways/climb.ts'
import { RUNG_DELAY_MS, climb } from '../../../lib/ways/climb.ts'
import { FakeClock } from '../net/support/fake-clock.ts'

interface Running extends Attempt {
  readonly resolve: (value: string) => void
  readonly reject: (error: Error) => void
}

/** A climb over three rungs whose attempts end when the test says so. */
function climbing() {
  const clock = new FakeClock()
  const running = new Map<string, Running>()
  const discarded: string[] = []
  const stop = new AbortController()
  const outcome = climb<string, string>({
    ...{ clock, rungs: ['a', 'b', 'c'], signal: stop.signal },
    attempt: (rung, attempt) =>
      new Promise((resolve, reject) => running.set(rung, { ...attempt, resolve, reject })),
    discard: (value) => discarded.push(value),
  })
  const begun = () => [...running.keys()].join('')
  const at = (rung: string) => {
    const found = running.get(rung)
    if (found === undefined) throw new Error(`${rung} has not begun`)
    return found
  }
  return { clock, discarded, stop, outcome, begun, at }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('rungs begin one delay after the other; the first that comes through wins, and later ones are discarded', async (t) => {
  const { clock, discarded, outcome, begun, at } = climbing()
  t.is(begun(), 'a')
  clock.advance(RUNG_DELAY_MS)
  t.is(begun(), 'ab')
  at('b').resolve('by b')
  t.deepEqual(await outcome, { kind: 'up', rung: 'b', value: 'by b' })
  t.true(at('a').signal.aborted)
  at('a').resolve('by a')
  await settled()
  t.deepEqual(discarded, ['by a'])
  clock.advance(10_000)
  t.is(begun(), 'ab')
  t.is(clock.pendingTimers, 0)
})

test('a rung that fails makes room for the next at once; one that has connected is given more time', async (t) => {
  const { clock, begun, at } = climbing()
  at('a').onConnected(200)
  clock.advance(RUNG_DELAY_MS)
  t.is(begun(), 'a')
  at('a').reject(new Error('no TLS'))
  await settled()
  t.is(begun(), 'ab')
})

test('when all fail, and when time is up, each rung keeps its reason', async (t) => {
  const all = climbing()
  for (const rung of ['a', 'b', 'c']) {
    all.at(rung).reject(new Error(`not ${rung}`))
    await settled()
  }
  const failed = await all.outcome
  t.is(
    failed.kind === 'failed' ? failed.failures.map(({ error }) => String(error)).join() : '',
    'Error: not a,Error: not b,Error: not c',
  )
  const late = climbing()
  late.at('a').reject(new Error('not a'))
  await settled()
  late.stop.abort(new Error('late'))
  const ended = await late.outcome
  t.is(
    ended.kind === 'failed' ? ended.failures.map(({ error }) => String(error)).join() : '',
    'Error: not a,Error: late,Error: late',
  )
})
