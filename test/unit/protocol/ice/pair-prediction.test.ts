import test from 'ava'
import type { EndpointDependence, NatBehavior, PortAllocation } from '../../../../lib/base/nat-behavior.ts'
import {
  TYPICAL_PEERS,
  predictPair,
  predictTypicalPairs,
  shortName,
} from '../../../../lib/protocol/ice/pair-prediction.ts'
import type { PeerNetwork } from '../../../../lib/protocol/ice/pair-prediction.ts'

const MAPPINGS = {
  EIM: 'endpoint-independent',
  ADM: 'address-dependent',
  APDM: 'address-and-port-dependent',
} as const
const FILTERINGS = {
  EIF: 'endpoint-independent',
  ADF: 'address-dependent',
  APDF: 'address-and-port-dependent',
} as const

function behavior(name: string, portAllocation: PortAllocation | 'unknown' = 'random'): NatBehavior {
  const [mapping = '', filtering = ''] = name.split('/')
  const find = (table: Readonly<Record<string, EndpointDependence>>, key: string): EndpointDependence => {
    const value = table[key]
    if (value === undefined) throw new Error(`no behaviour is called ${key}`)
    return value
  }
  return { mapping: find(MAPPINGS, mapping), filtering: find(FILTERINGS, filtering), portAllocation }
}

function peer(one: NatBehavior, udpWorks = true): PeerNetwork {
  return { behavior: one, udpWorks }
}

/**
 * Every pair, in words of its own, by exact simulation of packets sent at once from both sides (10 to 12 runs each):
 * P by sending alone, B by a search from one side, D by a search from both.
 */
const MATRIX = `
            EIM/EIF EIM/ADF EIM/APDF ADM/EIF ADM/ADF ADM/APDF APDM/EIF APDM/ADF APDM/APDF
  EIM/EIF   P       P       P        P       P       P        P        P        P
  EIM/ADF   P       P       P        P       P       P        P        P        P
  EIM/APDF  P       P       P        B       B       B        B        B        B
  ADM/EIF   P       P       B        P       P       B        P        P        B
  ADM/ADF   P       P       B        P       B       B        P        B        B
  ADM/APDF  P       P       B        B       B       D        B        B        D
  APDM/EIF  P       P       B        P       P       B        P        P        D
  APDM/ADF  P       P       B        P       B       B        P        B        D
  APDM/APDF P       P       B        B       B       D        D        D        D`

const [header = '', ...rows] = MATRIX.trim().split('\n')
const columns = header.trim().split(/\s+/)
const RESULTS = { P: 'direct', B: 'direct-birthday', D: 'relay' } as const

for (const row of rows) {
  const [name = '', ...cells] = row.trim().split(/\s+/)
  test(`${name} against every behaviour, random ports, is predicted as simulated`, (t) => {
    t.is(cells.length, 9)
    for (const [index, cell] of cells.entries()) {
      const column = columns[index] ?? ''
      if (cell !== 'P' && cell !== 'B' && cell !== 'D') throw new Error(`${cell} is no class`)
      const { result, why } = predictPair(peer(behavior(name)), peer(behavior(column)))
      t.is(result, RESULTS[cell], `${name} with ${column}: ${why}`)
    }
  })
}

test('25 pairs need sending alone, 15 one search, 5 two', (t) => {
  const counts = { direct: 0, 'direct-birthday': 0, relay: 0 }
  for (const [i, one] of columns.entries()) {
    for (const other of columns.slice(i))
      counts[predictPair(peer(behavior(one)), peer(behavior(other))).result]++
  }
  t.deepEqual(counts, { direct: 25, 'direct-birthday': 15, relay: 5 })
})

test('no NAT and no filter count as the most permissive kinds', (t) => {
  const open: NatBehavior = { mapping: 'none', filtering: 'none', portAllocation: 'preserving' }
  t.is(shortName(open), 'EIM/EIF')
  for (const name of columns) t.is(predictPair(peer(open), peer(behavior(name))).result, 'direct')
})

test('sequential and preserving ports are predicted, not searched for', (t) => {
  const easy = peer(behavior('EIM/APDF', 'preserving'))
  t.is(predictPair(easy, peer(behavior('APDM/APDF', 'sequential'))).result, 'direct')
  t.is(predictPair(easy, peer(behavior('APDM/APDF', 'preserving'))).result, 'direct')
  const sequential = peer(behavior('APDM/APDF', 'sequential'))
  t.is(predictPair(sequential, sequential).result, 'direct-birthday')
})

test('two varying sides meet when both have few ports, and not when one has all', (t) => {
  const block = (max: number) => peer({ ...behavior('APDM/APDF', 'block'), ports: { min: 20_000, max } })
  const random = peer(behavior('APDM/APDF'))
  t.is(predictPair(block(20_511), block(20_511)).result, 'direct-birthday')
  t.is(predictPair(block(20_511), random).result, 'relay')
  t.is(predictPair(block(20_000 + 8192), block(20_000 + 8192)).result, 'relay')
})

test('an unknown behaviour gives the worse case, as inferred, unless all cases agree', (t) => {
  const unknownFilter = peer({ ...behavior('EIM/APDF'), filtering: 'unknown' })
  const random = peer(behavior('APDM/APDF'))
  t.like(predictPair(unknownFilter, random), { result: 'direct-birthday', confidence: 'inferred' })
  const all = peer({ mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' })
  t.like(predictPair(all, random), { result: 'relay', confidence: 'inferred' })
  t.like(predictPair(all, peer(behavior('EIM/EIF'))), { result: 'direct', confidence: 'measured' })
})

test('without UDP only a peer with an open public address is reached directly', (t) => {
  const blocked = peer({ mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' }, false)
  const open = peer({ mapping: 'none', filtering: 'none', portAllocation: 'preserving' })
  t.is(predictPair(blocked, open).result, 'direct')
  t.is(predictPair(blocked, peer(behavior('EIM/EIF'))).result, 'relay')
})

test('a prediction does not depend on who is named first', (t) => {
  for (const { behavior: one, udpWorks } of TYPICAL_PEERS) {
    for (const other of TYPICAL_PEERS) {
      const own = { behavior: one, udpWorks }
      t.deepEqual(predictPair(own, other).result, predictPair(other, own).result)
    }
  }
})

test('each typical peer is predicted, with a reason and where it is met', (t) => {
  const predictions = predictTypicalPairs(peer(behavior('APDM/APDF')))
  t.is(predictions.length, TYPICAL_PEERS.length)
  for (const { why, example, peerNat } of predictions) {
    t.true(why.length > 10 && example.length > 10 && peerNat.length > 0)
  }
})
