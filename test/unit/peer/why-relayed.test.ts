import test from 'ava'
import type { DirectReport } from '../../../lib/peer/direct/direct-report.ts'
import { predictionOf } from '../../../lib/peer/direct/direct-report.ts'
import { whyRelayed } from '../../../lib/peer/direct/why-relayed.ts'
import type { NatSummary } from '../../../lib/protocol/signaling/nat-summary.ts'

const HOME: NatSummary = {
  behavior: {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    portAllocation: 'preserving',
  },
  udpWorks: true,
  publicIps: ['203.0.113.50'],
}
const RANDOM: NatSummary = {
  behavior: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    portAllocation: 'random',
  },
  udpWorks: true,
  publicIps: ['198.51.100.50'],
}
const TRIED = { recipe: 'plain', sockets: 2, packetsSent: 40, packetsHeard: 0, tcpTries: 3 }

function report(ours: NatSummary, theirs: NatSummary, heardHere: number, heardThere: number): DirectReport {
  return {
    ...{ state: 'relayed', attempts: 1, ours, theirs, retryInMs: 60_000 },
    prediction: predictionOf(ours, theirs),
    tried: { ...TRIED, packetsHeard: heardHere },
    triedByPeer: { ...TRIED, packetsHeard: heardThere },
  }
}

test('a direction that works alone is told on both sides, each from where it stands', (t) => {
  const here = whyRelayed(report(HOME, HOME, 7, 0))
  const there = whyRelayed(report(HOME, HOME, 0, 7))
  t.regex(here?.why ?? '', /did not come about; packets get through from there to here, but not back$/)
  t.regex(there?.why ?? '', /did not come about; packets get through from here to there, but not back$/)
  t.is(here?.tried.length, 2)
})

for (const heard of [0, 7]) {
  test(`nothing of it where both directions are alike: ${heard} packets each`, (t) => {
    t.notRegex(whyRelayed(report(HOME, HOME, heard, heard))?.why ?? '', /get through/)
  })
}

test('what was to be expected is told with both networks, and what would help', (t) => {
  const why = whyRelayed(report(RANDOM, RANDOM, 0, 0))
  t.regex(why?.why ?? '', /^here a NAT APDM\/APDF with random ports, there .*: both public ports vary/)
  t.regex(why?.remedies.join('\n') ?? '', /PCP, NAT-PMP or UPnP/)
})

test('a direct path and an attempt under way need no explanation', (t) => {
  for (const state of ['direct', 'trying'] as const) {
    t.is(whyRelayed({ ...report(HOME, HOME, 0, 0), state }), undefined)
  }
})
