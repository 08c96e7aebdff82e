import test from 'ava'
import type { EndpointDependence, NatBehavior, PortAllocation } from '../../../../lib/base/nat-behavior.ts'
import { predictPair } from '../../../../lib/protocol/ice/pair-prediction.ts'
import { chooseRecipe } from '../../../../lib/protocol/punch/punch-recipe.ts'

const KINDS: readonly EndpointDependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]
const ALLOCATIONS: readonly PortAllocation[] = ['preserving', 'sequential', 'random', 'block']
const ALL: readonly NatBehavior[] = KINDS.flatMap((mapping) =>
  KINDS.flatMap((filtering) => ALLOCATIONS.map((portAllocation) => ({ mapping, filtering, portAllocation }))),
)

const RECIPE_FOR = { direct: 'plain', 'direct-birthday': 'birthday', relay: 'none' } as const

test('both sides come to matching parts, whatever they are', (t) => {
  for (const a of ALL) {
    for (const b of ALL) {
      const one = chooseRecipe(a, b, true)
      const other = chooseRecipe(b, a, false)
      t.is(one.name, other.name)
      if (one.name === 'none' || other.name === 'none') continue
      t.deepEqual(one.ours, other.theirs)
      t.deepEqual(one.theirs, other.ours)
    }
  }
})

test('where ports are random, a recipe exists exactly where a direct path is predicted', (t) => {
  const random = ALL.filter(({ portAllocation }) => portAllocation === 'random')
  let pairs = 0
  for (const a of random) {
    for (const b of random) {
      const predicted = predictPair({ behavior: a, udpWorks: true }, { behavior: b, udpWorks: true }).result
      const expected = RECIPE_FOR[predicted]
      t.is(chooseRecipe(a, b, true).name, expected, `${JSON.stringify(a)} × ${JSON.stringify(b)}`)
      pairs++
    }
  }
  t.is(pairs, 81)
})

test('whatever the ports, a direct path is predicted exactly where a recipe exists', (t) => {
  const known = ALL.map((nat) =>
    nat.portAllocation === 'block' ? { ...nat, ports: { min: 20_000, max: 20_511 } } : nat,
  )
  for (const a of known) {
    for (const b of known) {
      const { result } = predictPair({ behavior: a, udpWorks: true }, { behavior: b, udpWorks: true })
      const { name } = chooseRecipe(a, b, true)
      t.is(result === 'relay', name === 'none', `${JSON.stringify(a)} × ${JSON.stringify(b)}: ${name}`)
    }
  }
})

test('an unknown filter or mapping counts as the strictest', (t) => {
  const unknown: NatBehavior = { mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' }
  t.is(chooseRecipe(unknown, unknown, true).name, 'none')
})
