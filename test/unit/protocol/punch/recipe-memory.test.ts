import test from 'ava'
import fc from 'fast-check'
import { MAX_REMEMBERED_PAIRS, RecipeMemory, natKey } from '../../../../lib/protocol/punch/recipe-memory.ts'
import {
  MAX_STORM_WAIT_MS,
  STORM_INTERVAL_MS,
  StormBudget,
} from '../../../../lib/protocol/punch/storm-budget.ts'

const PAIR = { ours: 'a', theirs: 'b' }
const MINUTE = 60_000

test('a plain punch is always worth a try, a storm waits until cheaper ways have failed', (t) => {
  const memory = new RecipeMemory()
  memory.note(PAIR, 'plain', 'failed', 0)
  t.deepEqual(memory.advice(PAIR, 'plain', 5), { startAtOnce: true, notBeforeMs: 5 })
  t.deepEqual(memory.advice(PAIR, 'birthday', 5), { startAtOnce: false, notBeforeMs: 5 })
})

test('a storm that worked is tried at once, until it fails', (t) => {
  const memory = new RecipeMemory()
  memory.note(PAIR, 'birthday', 'direct', 0)
  t.deepEqual(memory.advice(PAIR, 'birthday', 10), { startAtOnce: true, notBeforeMs: 10 })
  memory.note(PAIR, 'birthday', 'failed', 20)
  t.deepEqual(memory.advice(PAIR, 'birthday', 30), { startAtOnce: false, notBeforeMs: 20 + MINUTE })
  memory.note(PAIR, 'birthday', 'direct', 90_000)
  t.true(memory.advice(PAIR, 'birthday', 100_000).startAtOnce)
})

test('storms in vain come ever more rarely, an hour apart at most', (t) => {
  const memory = new RecipeMemory()
  const waits = Array.from({ length: 9 }, () => {
    memory.note(PAIR, 'block-search', 'failed', 0)
    return memory.advice(PAIR, 'block-search', 0).notBeforeMs / MINUTE
  })
  t.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60])
})

test('what other NATs taught does not count', (t) => {
  const memory = new RecipeMemory()
  memory.note(PAIR, 'birthday', 'direct', 0)
  t.false(memory.advice({ ours: 'b', theirs: 'a' }, 'birthday', 0).startAtOnce)
  t.false(memory.advice({ ours: 'a', theirs: 'c' }, 'birthday', 0).startAtOnce)
  const behavior = { mapping: 'none', filtering: 'none', portAllocation: 'random' } as const
  t.not(natKey('192.0.2.1', behavior), natKey('192.0.2.2', behavior))
})

test('recipes that worked come first, those that failed most come last', (t) => {
  const memory = new RecipeMemory()
  memory.note(PAIR, 'birthday', 'direct', 0)
  memory.note(PAIR, 'plain', 'failed', 0)
  t.deepEqual(memory.order(PAIR, ['plain', 'prediction', 'birthday']), ['birthday', 'prediction', 'plain'])
  t.deepEqual(memory.order({ ours: '', theirs: '' }, ['plain', 'birthday']), ['plain', 'birthday'])
})

test('the pairs that were met longest ago are forgotten', (t) => {
  const memory = new RecipeMemory()
  const pairs = Array.from({ length: MAX_REMEMBERED_PAIRS + 10 }, (_, i) => ({
    ours: 'us',
    theirs: String(i),
  }))
  for (const pair of pairs) {
    memory.note(pair, 'birthday', 'direct', 0)
    memory.note(PAIR, 'birthday', 'direct', 0)
  }
  t.is(memory.size, MAX_REMEMBERED_PAIRS)
  t.true(memory.advice(PAIR, 'birthday', 0).startAtOnce)
  t.false(memory.advice({ ours: 'us', theirs: '0' }, 'birthday', 0).startAtOnce)
})

test('storms of a host are 20 s apart, whoever asks and however often; each turn is given once', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(15_000), { maxLength: 100 }), (gaps) => {
      const budget = new StormBudget()
      let [nowMs, lastMs] = [0, -Infinity]
      for (const gap of gaps) {
        nowMs += gap
        const turnMs = nowMs + budget.take(nowMs)
        if (turnMs !== Math.max(nowMs, lastMs + STORM_INTERVAL_MS)) return false
        if (turnMs - nowMs <= MAX_STORM_WAIT_MS) lastMs = turnMs
      }
      return true
    }),
  )
  t.is(new StormBudget().take(0), 0)
})

test('a storm that the peer postpones keeps its distance from the next one', (t) => {
  const budget = new StormBudget()
  budget.take(0)
  budget.postpone(1000, 15_000)
  t.is(budget.take(17_000), 19_000)
})
