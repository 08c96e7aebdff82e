import test from 'ava'
import type { Machine } from '../../../lib/base/machine.ts'
import { Driver } from '../../../lib/net/driver.ts'
import { FakeClock } from './support/fake-clock.ts'

type Input =
  | { readonly kind: 'say'; readonly words: readonly string[] }
  | { readonly kind: 'arm'; readonly inMs: number }

/** Says each word; echoes `tick` at its deadline, once. */
class TinyMachine implements Machine<Input, string> {
  deadlineMs: number | undefined
  readonly handledAt: number[] = []
  readonly #effects: string[]

  constructor(first: readonly string[] = []) {
    this.#effects = [...first]
  }

  handle(input: Input, nowMs: number): void {
    this.handledAt.push(nowMs)
    if (input.kind === 'say') this.#effects.push(...input.words)
    else this.deadlineMs = nowMs + input.inMs
  }

  handleTimeout(nowMs: number): void {
    if (this.deadlineMs === undefined || nowMs < this.deadlineMs) return
    this.deadlineMs = undefined
    this.#effects.push('tick')
  }

  poll(): string | undefined {
    return this.#effects.shift()
  }
}

function setUp(
  perform?: (effect: string, driver: Driver<Input, string>) => void,
  machine = new TinyMachine(),
) {
  const clock = new FakeClock()
  const performed: string[] = []
  const driver: Driver<Input, string> = new Driver(machine, clock, (effect) => {
    performed.push(effect)
    perform?.(effect, driver)
  })
  return { clock, performed, driver, machine }
}

const say = (...words: string[]): Input => ({ kind: 'say', words })
const arm = (inMs: number): Input => ({ kind: 'arm', inMs })

test('performs all effects of an input, in order, with the present time', (t) => {
  const { driver, performed, machine, clock } = setUp()
  clock.advance(5)
  driver.feed(say('a', 'b', 'c'))
  t.deepEqual(performed, ['a', 'b', 'c'])
  t.deepEqual(machine.handledAt, [1_005])
})

test('start performs what the machine wants from birth on', (t) => {
  const { driver, performed } = setUp(undefined, new TinyMachine(['hello']))
  t.deepEqual(performed, [])
  driver.start()
  t.deepEqual(performed, ['hello'])
})

test('arms one timer at the deadline and tells the machine when it passes', (t) => {
  const { driver, performed, clock } = setUp()
  driver.feed(arm(30))
  t.deepEqual(clock.pendingDelaysMs, [30])
  clock.advance(29)
  t.deepEqual(performed, [])
  clock.advance(1)
  t.deepEqual(performed, ['tick'])
  t.is(clock.pendingTimers, 0)
})

test('a deadline that moves replaces the timer, one that stays keeps it', (t) => {
  const { driver, performed, clock } = setUp()
  driver.feed(arm(30))
  driver.feed(arm(10))
  t.deepEqual(clock.pendingDelaysMs, [10])
  driver.feed(say('x'))
  t.deepEqual(clock.pendingDelaysMs, [10])
  clock.advance(40)
  t.deepEqual(performed, ['x', 'tick'])
})

test('a deadline that goes away cancels the timer', (t) => {
  const machine = new TinyMachine()
  const { driver, clock } = setUp(undefined, machine)
  driver.feed(arm(30))
  machine.deadlineMs = undefined
  driver.feed(say())
  t.is(clock.pendingTimers, 0)
})

test('a deadline in the past fires as soon as time moves', (t) => {
  const { driver, performed, clock } = setUp()
  driver.feed(arm(-50))
  t.deepEqual(clock.pendingDelaysMs, [0])
  clock.advance(0)
  t.deepEqual(performed, ['tick'])
})

test('a timer that fires early is armed again for the rest', (t) => {
  const { driver, performed, clock, machine } = setUp()
  driver.feed(arm(30))
  machine.deadlineMs = 1_045 // moved by the machine, unknown to the driver
  clock.advance(30)
  t.deepEqual(performed, [])
  t.deepEqual(clock.pendingDelaysMs, [15])
  clock.advance(15)
  t.deepEqual(performed, ['tick'])
})

test('an input fed while performing waits until the effects at hand are drained', (t) => {
  const { driver, performed } = setUp((effect, self) => {
    if (effect === 'a') self.feed(say('from a'))
    if (effect === 'from a') self.feed(say('from from a'))
  })
  driver.feed(say('a', 'b'))
  t.deepEqual(performed, ['a', 'b', 'from a', 'from from a'])
})

test('a timeout whose effect feeds an input leaves the new deadline armed', (t) => {
  const { driver, performed, clock } = setUp((effect, self) => {
    if (effect === 'tick') self.feed(arm(20))
  })
  driver.feed(arm(10))
  clock.advance(10)
  t.deepEqual(performed, ['tick'])
  t.deepEqual(clock.pendingDelaysMs, [20])
})

test('stop cancels the timer and ends everything, however often it is called', (t) => {
  const { driver, performed, clock } = setUp()
  driver.feed(arm(10))
  driver.stop()
  driver.stop()
  t.true(driver.isStopped)
  t.is(clock.pendingTimers, 0)
  driver.feed(say('late'))
  driver.start()
  clock.advance(100)
  t.deepEqual(performed, [])
})

test('stop while performing drops the effects and inputs that remain, and arms nothing', (t) => {
  const { driver, performed, clock } = setUp((effect, self) => {
    if (effect !== 'a') return
    self.feed(arm(10))
    self.stop()
  })
  driver.feed(say('a', 'b'))
  t.deepEqual(performed, ['a'])
  t.is(clock.pendingTimers, 0)
})

test('leaving a using block stops the driver', (t) => {
  const { driver, clock } = setUp()
  {
    using used = driver
    used.feed(arm(10))
  }
  t.true(driver.isStopped)
  t.is(clock.pendingTimers, 0)
})

test('what perform throws stops the driver and goes to onError, also from a timer', (t) => {
  const clock = new FakeClock()
  const errors: unknown[] = []
  const boom = new Error('boom')
  const driver = new Driver<Input, string>(
    new TinyMachine(),
    clock,
    () => {
      throw boom
    },
    (error) => errors.push(error),
  )
  driver.feed(arm(10))
  clock.advance(10)
  t.deepEqual(errors, [boom])
  t.true(driver.isStopped)
  driver.feed(say('late'))
  t.is(errors.length, 1)
})

test('what perform throws is thrown on when nobody asked for errors', (t) => {
  const { driver } = setUp(() => {
    throw new Error('boom')
  })
  t.throws(() => driver.feed(say('a')), { message: 'boom' })
  t.true(driver.isStopped)
})

test('what a nested feed leads to is surfaced once', (t) => {
  const errors: unknown[] = []
  const machine = new TinyMachine()
  const driver: Driver<Input, string> = new Driver(
    machine,
    new FakeClock(),
    (effect) => {
      if (effect === 'a') driver.feed(say('b'))
      else throw new Error(effect)
    },
    (error) => errors.push(error),
  )
  driver.feed(say('a'))
  t.deepEqual(errors, [new Error('b')])
})
