import test from 'ava'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { CandidatePair } from '../../../../lib/protocol/ice/candidate-pair.ts'
import { localCandidate } from '../../../../lib/protocol/ice/candidate.ts'
import { Checklist } from '../../../../lib/protocol/ice/checklist.ts'
import { PairSelection } from '../../../../lib/protocol/ice/pair-selection.ts'

function at(ip: string, type: 'host' | 'srflx') {
  const address = transportAddress(ip, 5000)
  return localCandidate({ type, address, base: address, socket: 1 })
}

/** A pair over the LAN, which is better, and one over the internet. */
function scene() {
  const checklist = new Checklist()
  const ours = at('10.0.0.2', 'host')
  const [lan, internet] = [at('10.0.0.3', 'host'), at('192.0.2.3', 'srflx')].map((theirs) => {
    const pair = checklist.add('controlling', ours, theirs)
    if (pair === undefined) throw new RangeError('the list refused a pair')
    return pair
  }) as [CandidatePair, CandidatePair]
  lan.state = 'in-progress'
  return { checklist, lan, internet, selection: new PairSelection(() => 0.5) }
}

test('a better pair gets 200 ms after the first that works', (t) => {
  const { checklist, lan, internet, selection } = scene()
  checklist.succeed(internet)
  t.is(selection.candidate(checklist, 1000), undefined)
  t.is(selection.deadlineMs, 1200)
  checklist.succeed(lan)
  t.is(selection.candidate(checklist, 1100), lan)
})

test('after that, or when nothing better is left, the first is nominated', (t) => {
  const late = scene()
  late.checklist.succeed(late.internet)
  t.is(late.selection.candidate(late.checklist, 1000), undefined)
  t.is(late.selection.candidate(late.checklist, 1200), late.internet)
  const failed = scene()
  failed.checklist.succeed(failed.internet)
  failed.checklist.fail(failed.lan)
  t.is(failed.selection.candidate(failed.checklist, 1000), failed.internet)
})

test('once a pair is in use no other is nominated (RFC 8445 §8.1.1), until it is given up', (t) => {
  const { checklist, lan, internet, selection } = scene()
  checklist.succeed(internet)
  internet.nominated = true
  t.is(selection.select(checklist, 0), internet)
  t.is(selection.select(checklist, 1), undefined)
  checklist.succeed(lan)
  t.is(selection.candidate(checklist, 1000), undefined)
  selection.clear()
  t.is(selection.candidate(checklist, 1000), lan)
})

test('a peer that nominates several gets the best of them (RFC 8445 §8.1.1)', (t) => {
  const { checklist, lan, internet, selection } = scene()
  for (const pair of [internet, lan]) {
    checklist.succeed(pair)
    pair.nominated = true
    t.is(selection.select(checklist, 0), pair)
  }
  t.is(selection.current, lan)
})
