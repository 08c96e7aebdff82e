import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { parsePeerId } from '../../../lib/base/peer-id.ts'
import type { PeerIdentity } from '../../../lib/identity/trust/trust-policy.ts'
import { parseServiceAddress } from '../../../lib/peer/service-address.ts'
import { ServiceTable } from '../../../lib/peer/service-table.ts'

const ALICE = parsePeerId('y'.repeat(52))
const BOB = parsePeerId('b'.repeat(51) + 'y')

function identity(peerId: typeof ALICE, name: string | undefined): PeerIdentity {
  return { peerId, by: name === undefined ? 'key' : 'network', name, roles: ['peer'], keys: [] }
}

const nobody = () => undefined

test('who may use a service is decided by proven names and keys, and by nothing else', (t) => {
  const table = new ServiceTable()
  table.add('all', nobody)
  table.add('names', nobody, ['bob', 'Carol'])
  table.add('keys', nobody, [ALICE])
  table.add('none', nobody, [])
  const cases = [
    [ALICE, 'alice', 'all', 'allowed'],
    [ALICE, undefined, 'all', 'allowed'],
    [BOB, 'bob', 'names', 'allowed'],
    [BOB, 'carol', 'names', 'allowed'],
    [BOB, undefined, 'names', 'not-permitted'],
    [ALICE, 'alice', 'names', 'not-permitted'],
    [ALICE, 'whoever', 'keys', 'allowed'],
    [BOB, ALICE, 'keys', 'allowed'], // no network gives such a name: parsePeerName refuses it
    [BOB, 'alice', 'keys', 'not-permitted'],
    [ALICE, 'alice', 'none', 'not-permitted'],
    [ALICE, 'alice', 'other', 'service-unknown'],
    [ALICE, 'alice', '', 'service-unknown'],
    [ALICE, 'alice', 'p2p-reach.ping', 'allowed'],
    [ALICE, 'alice', 'p2p-reach.other', 'service-unknown'],
  ] as const
  for (const [peerId, name, service, expected] of cases) {
    const decision = table.decide({ peer: identity(peerId, name), service, carries: 'bytes' })
    t.is(
      decision.kind === 'refused' ? decision.reason : decision.kind,
      expected,
      `${String(name)} → ${service}`,
    )
  }
})

test('a service of datagrams takes no streams, one of streams no datagrams, and a name may stand for both', (t) => {
  const table = new ServiceTable()
  table.add('web', nobody, ['bob'])
  table.addFlows('game', nobody)
  table.add('dns', nobody)
  table.addFlows('dns', nobody, ['bob'])
  const cases = [
    ['bob', 'web', 'bytes', 'allowed'],
    ['bob', 'web', 'datagrams', 'wrong-transport'],
    ['alice', 'web', 'datagrams', 'not-permitted'],
    ['bob', 'game', 'bytes', 'wrong-transport'],
    ['bob', 'game', 'datagrams', 'allowed-flow'],
    ['alice', 'dns', 'bytes', 'allowed'],
    ['alice', 'dns', 'datagrams', 'not-permitted'],
    ['bob', 'dns', 'datagrams', 'allowed-flow'],
    ['bob', 'other', 'datagrams', 'service-unknown'],
  ] as const
  for (const [name, service, carries, expected] of cases) {
    const decision = table.decide({ peer: identity(BOB, name), service, carries })
    t.is(decision.kind === 'refused' ? decision.reason : decision.kind, expected, `${service} ${carries}`)
  }
  t.true(
    ReachError.is(
      t.throws(() => table.addFlows('game', nobody)),
      'ERR_REACH_SERVICE_IN_USE',
    ),
  )
  t.deepEqual([...table.names].sort(), ['dns', 'game', 'web'])
})

test('a service is taken away, and only by who has added it', (t) => {
  const table = new ServiceTable()
  const remove = table.add('Web', nobody)
  t.deepEqual(table.names, ['web'])
  const again = t.throws(() => table.add('web', nobody))
  t.true(ReachError.is(again, 'ERR_REACH_SERVICE_IN_USE'))
  remove()
  table.add('web', nobody)
  remove()
  t.deepEqual(table.names, ['web'])
  for (const name of ['', 'a b', 'p2p-reach.mine', 'x'.repeat(65), '-a', 'ä']) {
    t.true(
      ReachError.is(
        t.throws(() => table.add(name, nobody)),
        'ERR_REACH_NAME',
      ),
      name,
    )
  }
})

test('an address names a peer and a service', (t) => {
  t.deepEqual(parseServiceAddress('Alice/Web'), { peer: 'alice', service: 'web' })
  t.deepEqual(parseServiceAddress(`${ALICE}/db-1.main_x`), { peer: ALICE, service: 'db-1.main_x' })
  for (const text of [
    '',
    '/',
    'alice',
    'alice/',
    '/web',
    'alice/web/x',
    'al ice/web',
    'alice/w eb',
    'alice\n/web\u0000',
  ]) {
    const error = t.throws(() => parseServiceAddress(text), undefined, text)
    t.true(ReachError.is(error, 'ERR_REACH_NAME') && error.hint !== undefined, text)
  }
})
