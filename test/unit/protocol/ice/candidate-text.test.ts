import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { candidatePriority, localCandidate } from '../../../../lib/protocol/ice/candidate.ts'
import { formatCandidate, parseCandidate } from '../../../../lib/protocol/ice/candidate-text.ts'

// RFC 8839 §5.1 prints it; 1694498815 is 100 << 24 | 65535 << 8 | 255.
const RFC_8839 = 'candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998'

test('the example of RFC 8839 §5.1 is read', (t) => {
  t.deepEqual(parseCandidate(`a=${RFC_8839}`), {
    type: 'srflx',
    address: transportAddress('192.0.2.3', 45_664),
    priority: 1_694_498_815,
    foundation: '2',
    related: transportAddress('203.0.113.141', 8998),
  })
})

test('priorities are those of RFC 8445 §5.1.2.1', (t) => {
  t.is(candidatePriority('host', 65_535), 2_130_706_431)
  t.is(candidatePriority('srflx', 65_535), 1_694_498_815)
  t.is(candidatePriority('relay', 65_535), 16_777_215)
})

test('what is written is read again, for UDP and TCP (RFC 6544 §4.5)', (t) => {
  const base = transportAddress('10.0.0.1', 4000)
  const tcp = transportAddress('2001:db8::1', 9, 'tcp')
  const candidates = [
    localCandidate({ type: 'srflx', address: transportAddress('192.0.2.1', 9000), base, socket: 1 }),
    localCandidate({ type: 'host', address: tcp, base: tcp, socket: 2, tcpType: 'active' }),
  ]
  for (const { type, address, priority, foundation, related, tcpType } of candidates) {
    const candidate = {
      type,
      address,
      priority,
      foundation,
      ...(tcpType && { tcpType }),
      ...(related && { related }),
    }
    t.deepEqual(parseCandidate(formatCandidate(candidate)), candidate)
  }
})

for (const [what, line] of [
  ['a host name', RFC_8839.replace('192.0.2.3', 'a1b2.local')],
  ['a zone', RFC_8839.replace('192.0.2.3', 'fe80::1%eth0')],
  ['another component', RFC_8839.replace(':2 1', ':2 2')],
  ['port 0', RFC_8839.replace('45664', '0')],
  ['a port over 65535', RFC_8839.replace('45664', '65536')],
  ['priority 0', RFC_8839.replace('1694498815', '0')],
  ['a priority over 2^31 − 1', RFC_8839.replace('1694498815', '2147483648')],
  ['an unknown type', RFC_8839.replace('srflx', 'magic')],
  ['TCP without a type', RFC_8839.replace('UDP', 'TCP')],
  ['a foundation with a space', RFC_8839.replace(':2', ':')],
  ['a line without end', `${RFC_8839}${' x y'.repeat(200)}`],
] as const) {
  test(`refused: ${what}`, (t) => {
    t.is(t.throws(() => parseCandidate(line), { instanceOf: ReachError }).code, 'ERR_REACH_DECODE')
  })
}

test('arbitrary lines are refused with ERR_REACH_DECODE and nothing else', (t) => {
  const word = fc.oneof(fc.constantFrom(...RFC_8839.split(' ')), fc.string())
  fc.assert(
    fc.property(fc.array(word, { maxLength: 14 }), (words) => {
      try {
        parseCandidate(words.join(' '))
        return true
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
