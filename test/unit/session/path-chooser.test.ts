import test from 'ava'
import { PathChooser } from '../../../lib/session/path-chooser.ts'
import type { PathMeasures } from '../../../lib/session/path-chooser.ts'
import { PathPolicy } from '../../../lib/session/path-policy.ts'
import type { PathOption } from '../../../lib/session/path-policy.ts'

/** What a link would say of its paths, as the test sets it. */
class Measured implements PathMeasures {
  activePath: number | undefined
  readonly rttsMs = new Map<number, number>()

  minRttMs(path: number): number | undefined {
    return this.rttsMs.get(path)
  }
}

/** The policy, and how often it was asked. */
class CountedPolicy extends PathPolicy {
  asked = 0

  override choose(options: readonly PathOption[], nowMs: number): number | undefined {
    this.asked++
    return super.choose(options, nowMs)
  }
}

/** A relay that carries the data, and a direct path beside it that is measured later. */
function relayAndDirect() {
  const measured = new Measured()
  const policy = new CountedPolicy()
  const chooser = new PathChooser(measured, policy)
  measured.activePath = 1
  measured.rttsMs.set(1, 40)
  chooser.add(1, 'relay', false, 0)
  chooser.add(2, 'direct-udp', false, 100)
  return { measured, policy, chooser }
}

test('one path is no choice, and nobody is asked', (t) => {
  const { policy, chooser } = relayAndDirect()
  chooser.remove(2)
  t.false(chooser.hasChoice)
  t.is(chooser.choose(200), undefined)
  t.is(chooser.deadlineMs(200), Infinity)
  t.is(policy.asked, 0)
})

test('while nothing changes, the policy is asked once', (t) => {
  const { measured, policy, chooser } = relayAndDirect()
  measured.rttsMs.set(2, 50)
  for (let ms = 200; ms < 300; ms++) {
    t.is(chooser.choose(ms), 2)
    t.is(chooser.deadlineMs(ms), Infinity)
  }
  t.is(policy.asked, 1)
})

test('what is chosen is said until it is done, and not after', (t) => {
  const { measured, policy, chooser } = relayAndDirect()
  measured.rttsMs.set(2, 50)
  t.is(chooser.choose(200), 2)
  measured.activePath = 2
  t.is(chooser.choose(200), undefined)
  t.is(chooser.choose(201), undefined)
  t.is(policy.asked, 2)
})

test('a round trip that is measured, or found shorter, is a new question', (t) => {
  const { measured, policy, chooser } = relayAndDirect()
  t.is(chooser.choose(200), undefined)
  measured.rttsMs.set(2, 400)
  t.is(chooser.choose(300), undefined)
  measured.rttsMs.set(2, 60)
  t.is(chooser.choose(400), 2)
  t.is(policy.asked, 3)
})

test('a path that is added, removed or retired is a new question', (t) => {
  const { measured, policy, chooser } = relayAndDirect()
  measured.rttsMs.set(2, 50).set(3, 50)
  t.is(chooser.choose(200), 2)
  chooser.add(3, 'direct-tcp', false, 200)
  t.is(chooser.choose(200), 3)
  chooser.retire(3)
  t.is(chooser.choose(200), 2)
  chooser.remove(2)
  t.is(chooser.choose(200), undefined)
  t.is(policy.asked, 4)
})

test('what changes nothing is no new question', (t) => {
  const { measured, policy, chooser } = relayAndDirect()
  measured.rttsMs.set(2, 50)
  chooser.retire(2)
  t.is(chooser.choose(200), undefined)
  chooser.retire(2)
  chooser.retire(9)
  chooser.remove(9)
  t.is(chooser.choose(201), undefined)
  t.is(policy.asked, 1)
})

test('a path that was retired before it could be used is not chosen', (t) => {
  const { measured, chooser } = relayAndDirect()
  measured.rttsMs.set(3, 20)
  chooser.add(3, 'direct-tcp', true, 200)
  t.is(chooser.choose(200), undefined)
})

test('a loss is a new question, and so is the end of the probation that it brings', (t) => {
  const { measured, policy, chooser } = relayAndDirect()
  measured.rttsMs.set(2, 50)
  t.is(chooser.choose(200), 2)
  chooser.lost('direct-udp', 300)
  t.is(chooser.choose(300), undefined)
  t.is(chooser.deadlineMs(300), 1100)
  t.is(chooser.choose(1099), undefined)
  t.is(policy.asked, 2)
  t.is(chooser.choose(1100), 2)
  t.is(policy.asked, 3)
})

test('a loss that is forgotten shortens a probation: asked anew then, before its end', (t) => {
  const { measured, chooser } = relayAndDirect()
  measured.rttsMs.set(3, 50)
  chooser.lost('direct-udp', 1000)
  chooser.lost('direct-udp', 119_000)
  chooser.add(3, 'direct-tcp', false, 119_500)
  t.is(chooser.choose(119_500), undefined)
  t.is(chooser.deadlineMs(119_500), 123_500)
  t.is(chooser.choose(120_999), undefined)
  t.is(chooser.choose(121_000), 3)
})

test('it says what the policy says, whatever happens', (t) => {
  let state = 7
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % below
  }
  const kinds = ['relay', 'direct-udp', 'direct-tcp'] as const
  const measured = new Measured()
  const chooser = new PathChooser(measured)
  const policy = new PathPolicy()
  const options = new Map<number, Pick<PathOption, 'kind' | 'sinceMs' | 'isRetired'>>()
  let chosen = 0
  for (let nowMs = 0; nowMs < 20_000_000; nowMs += next(10_000)) {
    const [id, kind] = [next(4), kinds[next(3)] ?? 'relay']
    const happens = [
      () => {
        chooser.add(id, kind, false, nowMs)
        options.set(id, { kind, sinceMs: nowMs })
      },
      () => {
        chooser.remove(id)
        options.delete(id)
      },
      () => {
        chooser.retire(id)
        const option = options.get(id)
        if (option !== undefined) options.set(id, { ...option, isRetired: true })
      },
      () => {
        chooser.lost(kind, nowMs)
        policy.lost(kind, nowMs)
      },
      () => void measured.rttsMs.set(id, next(300)),
      () => (measured.activePath = options.has(id) ? id : undefined),
    ]
    happens[next(20)]?.()
    const all = [...options].map(([path, option]) => ({
      ...{ id: path, ...option },
      minRttMs: measured.minRttMs(path),
      isActive: path === measured.activePath,
    }))
    const expected = all.length < 2 ? undefined : policy.choose(all, nowMs)
    const deadlineMs = all.length < 2 ? undefined : policy.deadlineMs(all, nowMs)
    if (expected !== undefined) chosen++
    if (chooser.choose(nowMs) !== expected || chooser.deadlineMs(nowMs) !== (deadlineMs ?? Infinity)) {
      return t.fail(`at ${nowMs}: ${String(chooser.choose(nowMs))} for ${JSON.stringify(all)}`)
    }
  }
  t.true(chosen > 100, 'there was something to choose')
})
