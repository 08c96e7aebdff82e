import { EventEmitter } from 'node:events'
import test from 'ava'
import { Admission } from '../../../relay-server/admission.ts'
import { SourceQuota } from '../../../relay-server/source-quota.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

/** As much of a socket as Admission touches. */
class FakeSocket extends EventEmitter {
  isDestroyed = false

  readonly remoteAddress: string

  constructor(remoteAddress: string) {
    super()
    this.remoteAddress = remoteAddress
  }

  destroy(): this {
    if (!this.isDestroyed) queueMicrotask(() => this.emit('close'))
    this.isDestroyed = true
    return this
  }
}

function aSocket(ip: string): FakeSocket {
  return new FakeSocket(ip)
}

function anAdmission(limits: { maxPerSource: number; max: number }): {
  readonly clock: VirtualClock
  readonly admission: Admission
} {
  const clock = new VirtualClock()
  return { clock, admission: new Admission(clock, { timeoutMs: 1000, ...limits }) }
}

test('one deadline from the accept on, whatever was said since', async (t) => {
  const { clock, admission } = anAdmission({ maxPerSource: 10, max: 10 })
  const [silent, speaking, proven, own] = ['a', 'b', 'c', 'd'].map(() => aSocket('192.0.2.1'))
  if (!silent || !speaking || !proven || !own) return t.fail()
  admission.admit(silent)
  const newcomer = admission.admit(speaking)
  clock.advance(900)
  newcomer?.spoke()
  const trusted = admission.admit(proven)
  trusted?.spoke()
  trusted?.proven()
  trusted?.proven()
  admission.admit(own)?.timesItself()
  t.is(admission.size, 3)
  clock.advance(100)
  await clock.settle()
  t.deepEqual(
    [silent, speaking, proven, own].map(({ isDestroyed }) => isDestroyed),
    [true, true, false, false],
  )
  clock.advance(10_000)
  await clock.settle()
  t.deepEqual([proven.isDestroyed, own.isDestroyed, admission.size], [false, false, 1])
  own.destroy()
  await clock.settle()
  t.deepEqual([admission.size, clock.pendingTimers], [0, 0])
})

test('the oldest silent one of a source makes room; where all have spoken, the new one goes', (t) => {
  const { admission } = anAdmission({ maxPerSource: 2, max: 10 })
  const [one, two, three, four] = [1, 2, 3, 4].map(() => aSocket('2001:db8::1'))
  if (!one || !two || !three || !four) return t.fail()
  const first = admission.admit(one)
  admission.admit(two)
  // Of one /64, so of one source; another one has room.
  t.truthy(admission.admit(aSocket('2001:db8:0:1::1')))
  const third = admission.admit(aSocket('2001:db8::ffff:2'))
  t.truthy(third)
  t.deepEqual([one.isDestroyed, two.isDestroyed], [true, false])
  first?.spoke() // too late, and harmless
  third?.spoke()
  const fourth = admission.admit(three)
  t.true(two.isDestroyed)
  fourth?.spoke()
  t.is(admission.admit(four), undefined)
  t.true(four.isDestroyed)
  t.false(three.isDestroyed)
})

test('the cap of all: the oldest silent one makes room, wherever it comes from', (t) => {
  const { admission } = anAdmission({ maxPerSource: 2, max: 3 })
  const sockets = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map(aSocket)
  const newcomers = sockets.slice(0, 3).map((socket) => admission.admit(socket))
  newcomers[0]?.spoke()
  t.truthy(admission.admit(sockets[3] ?? aSocket('::1')))
  t.deepEqual(
    sockets.map(({ isDestroyed }) => isDestroyed),
    [false, true, false, false],
  )
  t.is(admission.size, 3)
})

test('a quota gives back what was taken, once', (t) => {
  const quota = new SourceQuota(3, 2)
  const [one, two, none] = [quota.take('a'), quota.take('a'), quota.take('a')]
  t.is(none, undefined)
  t.truthy(quota.take('b'))
  t.is(quota.take('c'), undefined)
  one?.()
  one?.()
  t.is(quota.size, 2)
  t.truthy(quota.take('a'))
  t.is(quota.take('a'), undefined)
  two?.()
  t.is(quota.size, 2)
})
