import test from 'ava'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { localCandidate } from '../../../../lib/protocol/ice/candidate.ts'
import { pairPriority } from '../../../../lib/protocol/ice/candidate-pair.ts'
import { Checklist } from '../../../../lib/protocol/ice/checklist.ts'

function host(ip: string, port: number, socket = 1, preference = 65_535) {
  const address = transportAddress(ip, port)
  return localCandidate({ type: 'host', address, base: address, socket, preference })
}

test('both sides give a pair the same priority (RFC 8445 §6.1.2.3)', (t) => {
  t.is(pairPriority('controlling', 5, 7), pairPriority('controlled', 7, 5))
  t.is(pairPriority('controlling', 7, 5), 5n * 2n ** 32n + 14n + 1n)
})

test('of pairs with one foundation the first waits and the others are frozen until it succeeds (RFC 8445 §6.1.2.6)', (t) => {
  const list = new Checklist()
  const local = host('192.0.2.1', 1)
  const first = list.add('controlling', local, host('192.0.2.9', 1))
  const second = list.add('controlling', local, host('192.0.2.9', 2))
  t.is(first?.state, 'waiting')
  t.is(second?.state, 'frozen')
  t.is(list.next(), first)
  t.is(list.next(), undefined)
  if (first !== undefined) list.succeed(first)
  t.is(list.next(), second)
})

test('one socket and one remote address make one pair (RFC 8445 §6.1.2.4)', (t) => {
  const list = new Checklist()
  list.add('controlling', host('192.0.2.1', 1), host('192.0.2.9', 1))
  t.is(list.add('controlling', host('198.51.100.1', 2), host('192.0.2.9', 1)), undefined)
  t.is(list.pairs.length, 1)
})

test('families and transports are not mixed', (t) => {
  const list = new Checklist()
  t.is(list.add('controlling', host('192.0.2.1', 1), host('2001:db8::1', 1)), undefined)
})

test('a full list gives up its worst pair for a better one, and only for that', (t) => {
  const list = new Checklist(2)
  const remote = host('192.0.2.9', 1)
  list.add('controlling', host('192.0.2.1', 1, 1, 10), remote)
  list.add('controlling', host('192.0.2.2', 1, 2, 20), remote)
  t.is(list.add('controlling', host('192.0.2.3', 1, 3, 5), remote), undefined)
  t.not(list.add('controlling', host('192.0.2.4', 1, 4, 30), remote), undefined)
  t.deepEqual(
    list.pairs.map(({ local }) => local.socket),
    [4, 2],
  )
})
