import { setImmediate as promisesSettle } from 'node:timers/promises'
import test from 'ava'
import type { NatBehavior } from '../../../lib/base/nat-behavior.ts'
import { awaitPeersTurn, punchTurn } from '../../../lib/peer/direct/punch-turn.ts'
import type { TurnOptions } from '../../../lib/peer/direct/punch-turn.ts'
import { RecipeMemory } from '../../../lib/protocol/punch/recipe-memory.ts'
import { StormBudget } from '../../../lib/protocol/punch/storm-budget.ts'
import type { NatSummary } from '../../../lib/protocol/signaling/nat-summary.ts'
import { FakeClock } from '../net/support/fake-clock.ts'

const RANDOM = natOf('192.0.2.1', {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  portAllocation: 'random',
})
const HOME = natOf('192.0.2.2', {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  portAllocation: 'preserving',
})

function natOf(publicIp: string, behavior: NatBehavior): NatSummary {
  return { behavior, udpWorks: true, publicIps: [publicIp] }
}

/** One side whose turn is looked at. */
function sideOf(isControlling: boolean) {
  const clock = new FakeClock()
  const stop = new AbortController()
  const tools = { runtime: { clock }, storms: new StormBudget(), memory: new RecipeMemory() }
  const said: number[] = []
  const scene = { tools, context: { isControlling }, signal: stop.signal }
  const options: TurnOptions = {
    isNeeded: () => true,
    peerHasBegun: Promise.resolve(),
    tellLater: (waitMs) => said.push(waitMs),
  }
  return { clock, stop, scene, options, said, storms: tools.storms }
}

test('the called side whose turn comes later says when, and begins then', async (t) => {
  const { clock, scene, options, said, storms } = sideOf(false)
  storms.take(clock.nowMs())
  const turn = punchTurn(scene, RANDOM, HOME, options)
  await promisesSettle()
  t.deepEqual(said, [20_000])
  clock.advance(19_999)
  await promisesSettle()
  t.is(await Promise.race([turn, Promise.resolve('waiting')]), 'waiting')
  clock.advance(1)
  t.is(typeof (await turn), 'function')
})

test('a third search in a row is not waited for, and the caller learns it', async (t) => {
  const { clock, scene, options, said, storms } = sideOf(false)
  storms.take(clock.nowMs())
  storms.take(clock.nowMs())
  t.is(await punchTurn(scene, RANDOM, HOME, options), undefined)
  t.deepEqual(said, [40_000])
  t.false(await awaitPeersTurn(scene, 40_000))
})

test('the caller that is to wait keeps the turn that it has, and others come after it', async (t) => {
  const { clock, scene, storms } = sideOf(true)
  storms.take(clock.nowMs())
  const waiting = awaitPeersTurn(scene, 17_000)
  clock.advance(17_000)
  t.true(await waiting)
  t.is(storms.take(clock.nowMs()), 20_000)
})

test('a storm that is needed no longer takes no turn', async (t) => {
  const { clock, scene, options, storms } = sideOf(false)
  t.is(await punchTurn(scene, RANDOM, HOME, { ...options, isNeeded: () => false }), undefined)
  t.is(storms.take(clock.nowMs()), 0)
})

test('the end of the search ends the wait', async (t) => {
  const { clock, stop, scene, options, storms } = sideOf(false)
  storms.take(clock.nowMs())
  const turn = punchTurn(scene, RANDOM, HOME, options)
  await promisesSettle()
  stop.abort(new Error('over'))
  await t.throwsAsync(turn, { message: 'over' })
})
