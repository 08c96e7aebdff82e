import test from 'ava'
import { staggered } from '../../../lib/peer/staggered.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

/** A way that is told when and how it ends. */
function way() {
  let resolve: (value: string) => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<string>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  const calls: AbortSignal[] = []
  const begin = (signal: AbortSignal) => {
    calls.push(signal)
    return promise
  }
  return { begin, calls, resolve, reject }
}

function scene() {
  const [one, two] = [way(), way()]
  const clock = new VirtualClock()
  const discarded: string[] = []
  const stop = new AbortController()
  const won = staggered(one.begin, two.begin, {
    ...{ clock, headStartMs: 700, signal: stop.signal },
    discard: (surplus) => discarded.push(surplus),
    moreTelling: (before, error) => (before === undefined ? error : before),
  })
  won.catch(() => undefined)
  return { one, two, clock, discarded, stop, won }
}

test('the second way begins when the head start is over, and the winner’s signal never fires', async (t) => {
  const { one, two, clock, discarded, won } = scene()
  clock.advance(699)
  await clock.settle()
  t.is(two.calls.length, 0)
  clock.advance(1)
  await clock.settle()
  t.is(two.calls.length, 1)
  two.resolve('two')
  t.is(await won, 'two')
  t.true(one.calls[0]?.aborted)
  t.false(two.calls[0]?.aborted)
  one.resolve('one')
  await clock.settle()
  t.deepEqual(discarded, ['one'])
})

test('it never begins when the first one succeeds before', async (t) => {
  const { one, two, clock, won } = scene()
  one.resolve('one')
  t.is(await won, 'one')
  clock.advance(1000)
  await clock.settle()
  t.is(two.calls.length, 0)
  t.false(one.calls[0]?.aborted)
})

test('it begins at once when the first one fails; of two failures the more telling is told', async (t) => {
  const { one, two, clock, won } = scene()
  one.reject(new Error('one'))
  await clock.settle()
  t.is(two.calls.length, 1)
  two.reject(new Error('two'))
  await t.throwsAsync(won, { message: 'one' })
})

test('the caller’s signal ends both, with its reason', async (t) => {
  const { one, two, clock, stop, won } = scene()
  clock.advance(700)
  await clock.settle()
  stop.abort(new Error('enough'))
  for (const { calls, reject } of [one, two]) {
    t.true(calls[0]?.aborted)
    reject(new Error('aborted'))
  }
  await t.throwsAsync(won, { message: 'enough' })
})
