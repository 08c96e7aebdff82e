import test from 'ava'
import type { NatBehavior } from '../../lib/base/nat-behavior.ts'
import { forSeeds } from './for-seeds.ts'
import { luck, runs } from './punch-matrix.ts'
import { punch } from './punch-scene.ts'
import type { PunchResult, PunchScene, PunchSideOptions } from './punch-scene.ts'
import { LINUX_NAT, LINUX_NAT_WITHOUT_FILTER } from './virtual-nat-options.ts'

/* What surrounds a pair of NATs, beyond the matrix. */

const SEEDS = 20
const EASY: PunchSideOptions = {
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
}
const STRICT: PunchSideOptions = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
}
const RANDOM: PunchSideOptions = { ...STRICT, ports: { kind: 'random' } }
const MEASURED_RANDOM: NatBehavior = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  portAllocation: 'random',
}

function all(scene: Omit<PunchScene, keyof ReturnType<typeof luck>> & Partial<PunchScene>): PunchResult[] {
  const results: PunchResult[] = []
  forSeeds(SEEDS, (seed) => results.push(punch({ ...luck(seed), ...scene })))
  return results
}

test('a NAT with three IPs, one for a socket: what the STUN server saw is where to send', (t) => {
  const pool = { ...EASY, externalIps: 3, pooling: 'arbitrary' } as const
  t.is(runs(SEEDS, 1, { one: pool, other: EASY }).direct, SEEDS)
  t.is(runs(SEEDS, 2, { one: pool, other: pool }).direct, SEEDS)
})

for (const [externalIps, share] of [
  [2, 0.9],
  [3, 0.8],
] as const) {
  test(`a NAT with ${externalIps} IPs and random ports: all are searched, which takes as many times as long`, (t) => {
    const pool = { ...RANDOM, externalIps, pooling: 'arbitrary' } as const
    const cell = runs(2 * SEEDS, 3, { one: pool, other: EASY })
    t.is(cell.recipe, 'birthday')
    t.log(`${cell.direct}/${cell.runs}`)
    t.true(cell.direct >= share * cell.runs)
  })
}

test('two NATs: the worse of both decides', (t) => {
  const carried = (carrier: PunchSideOptions, measured?: NatBehavior): PunchSideOptions => ({
    ...EASY,
    carrier,
    openerTtl: 3,
    ...(measured === undefined ? {} : { measured }),
  })
  const easy = runs(SEEDS, 4, { one: carried(EASY), other: EASY })
  t.deepEqual([easy.recipe, easy.direct], ['plain', SEEDS])
  const hard = runs(SEEDS, 5, { one: carried(RANDOM, MEASURED_RANDOM), other: EASY })
  t.deepEqual([hard.recipe, hard.direct], ['birthday', SEEDS])
  const both = runs(SEEDS, 6, { one: carried(EASY), other: carried(EASY) })
  t.deepEqual([both.recipe, both.direct], ['plain', SEEDS])
})

/** A plain Linux router at home, and another at the carrier that early packets poison. */
function poisoned(openerTtl: number): PunchSideOptions {
  return { ...LINUX_NAT, carrier: LINUX_NAT_WITHOUT_FILTER, openerTtl }
}

test('a carrier’s NAT that an early packet poisons: openers have to pass our own NATs, and no further', (t) => {
  // The first peer believes signalling to be slower than it is, so the other one's packets come early.
  const directWith = (openerTtl: number) => {
    const side = poisoned(openerTtl)
    return all({ one: side, other: side, misjudgedMs: 300 }).filter(({ isDirect }) => isDirect).length
  }
  t.is(directWith(3), SEEDS)
  t.true(directWith(2) < SEEDS / 2)
})

for (const misjudgedMs of [-300, 300, 1000]) {
  test(`a round trip that is misjudged by ${misjudgedMs} ms delays, and does not decide`, (t) => {
    const results = all({ one: LINUX_NAT_WITHOUT_FILTER, other: LINUX_NAT_WITHOUT_FILTER, misjudgedMs })
    t.true(results.every(({ isDirect }) => isDirect))
  })
}

test('behind one NAT that hairpins, the public addresses are enough', (t) => {
  const nat: PunchSideOptions = { ...EASY, hairpin: 'external' }
  const results = all({ one: nat, other: nat, sharesNat: true })
  t.true(results.every(({ isDirect }) => isDirect))
})

test('behind one NAT that does not hairpin, a punch gives up, having heard nothing: host candidates are for that', (t) => {
  const results = all({ one: EASY, other: EASY, sharesNat: true })
  for (const { isDirect, counters } of results) {
    t.false(isDirect)
    t.deepEqual(
      counters.map(({ heard, wasHeard }) => [heard, wasHeard]),
      [
        [false, false],
        [false, false],
      ],
    )
  }
})

for (const noisePerSecond of [2, 10, 20]) {
  test(`other hosts take ${noisePerSecond} ports a second out of the sequence: the prediction has room for them`, (t) => {
    const noisy = { ...STRICT, ports: { kind: 'sequential', noisePerSecond } } as const
    const cell = runs(2 * SEEDS, 7, { one: noisy, other: EASY })
    t.is(cell.recipe, 'prediction')
    t.true(cell.direct >= 0.95 * cell.runs)
  })
}

test('two sequences out of which others take 2 ports a second meet in nine of ten punches', (t) => {
  const noisy = { ...STRICT, ports: { kind: 'sequential', noisePerSecond: 2 } } as const
  const cell = runs(2 * SEEDS, 8, { one: noisy, other: noisy })
  t.log(`${cell.direct}/${cell.runs}`)
  t.true(cell.direct >= 0.9 * cell.runs)
})

test('a peer that starts four seconds late is waited for; one that starts after twenty is not', (t) => {
  t.true(all({ one: EASY, other: EASY, skewMs: 4000 }).every(({ isDirect }) => isDirect))
  t.false(all({ one: EASY, other: EASY, skewMs: 20_000 }).some(({ isDirect }) => isDirect))
})

for (const restartsAtMs of [200, 500, 800]) {
  test(`a peer that forgets everything after ${restartsAtMs} ms and starts again is met in the next round`, (t) => {
    let restarted = 0
    forSeeds(SEEDS, (seed) => {
      const scene = { ...luck(seed), one: EASY, other: EASY }
      // Who is connected by then has nothing more to punch.
      if (punch(scene).firstMs <= restartsAtMs || scene.skewMs >= restartsAtMs) return
      restarted++
      t.true(punch({ ...scene, restartsAtMs }).isDirect, `seed ${seed}`)
    })
    t.true(restarted > 2)
  })
}

test('one direction works: both sides report which, whoever controls', (t) => {
  const open: PunchSideOptions = {
    mapping: 'endpoint-independent',
    filtering: 'endpoint-independent',
    ports: { kind: 'random' },
  }
  const muted = { ...open, isMuted: true }
  for (const [one, other] of [
    [open, muted],
    [muted, open],
  ] as const) {
    for (const { isDirect, counters } of all({ one, other })) {
      t.false(isDirect)
      const [near, far] = one.isMuted === true ? [counters[1], counters[0]] : [counters[0], counters[1]]
      t.deepEqual([near?.heard, near?.wasHeard], [false, true], 'ours works')
      t.deepEqual([far?.heard, far?.wasHeard], [true, false], 'the other one works')
    }
  }
})
