import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { iceCredentials } from '../../../../lib/protocol/ice/connectivity-check.ts'
import {
  decodeDirectMessage,
  encodeDirectMessage,
} from '../../../../lib/protocol/signaling/direct-message.ts'
import type { DirectMessage } from '../../../../lib/protocol/signaling/direct-message.ts'
import { LineReader } from '../../../../lib/protocol/signaling/line-reader.ts'

const credentials = iceCredentials(new Uint8Array(24).fill(7))
const candidate = {
  type: 'host',
  address: transportAddress('192.0.2.7', 4444),
  priority: 2130706431,
  foundation: 'a1',
} as const

const MESSAGES: readonly DirectMessage[] = [
  { kind: 'offer', attempt: 1, credentials, streams: { ice: 5, punch: 2 ** 32 - 1 }, tcp: true },
  { kind: 'answer', attempt: 2, credentials, streams: undefined, tcp: false },
  { kind: 'candidate', attempt: 1, candidate },
  {
    kind: 'candidate',
    attempt: 1,
    candidate: { ...candidate, type: 'nat-assisted', related: transportAddress('192.168.1.2', 9) },
  },
  { kind: 'end', attempt: 1 },
  {
    kind: 'nat',
    attempt: 3,
    nat: {
      behavior: {
        mapping: 'address-and-port-dependent',
        filtering: 'unknown',
        portAllocation: 'sequential',
        ports: { step: -2, min: 1024, max: 65_535 },
      },
      udpWorks: true,
      publicIps: ['203.0.113.4', '203.0.113.5'],
    },
  },
  { kind: 'punch', attempt: 1, transport: 'udp', text: '{"kind":"go","round":1}' },
  {
    kind: 'over',
    attempt: 9,
    tried: { recipe: 'birthday', sockets: 256, packetsSent: 700, packetsHeard: 0, tcpTries: 3 },
  },
  {
    kind: 'over',
    attempt: 9,
    tried: { recipe: undefined, sockets: 0, packetsSent: 0, packetsHeard: 0, tcpTries: 0 },
  },
  { kind: 'later', attempt: 1, waitMs: 17_250 },
  { kind: 'found', attempt: 1, transport: 'tcp' },
  { kind: 'again' },
]

for (const message of MESSAGES) {
  test(`is read as it was written: ${encodeDirectMessage(message)}`, (t) => {
    t.deepEqual(decodeDirectMessage(encodeDirectMessage(message)), message)
  })
}

test('a kind of a later version is none of ours, and no error', (t) => {
  t.is(decodeDirectMessage('{"kind":"teleport","attempt":1}'), undefined)
})

const WRONG: Readonly<Record<string, unknown>> = {
  'no attempt': { kind: 'end' },
  'attempt 0': { kind: 'end', attempt: 0 },
  'short password': { kind: 'offer', attempt: 1, ufrag: 'abcd', password: 'short', tcp: true },
  'same ids': { kind: 'offer', attempt: 1, ...credentials, streams: { ice: 1, punch: 1 }, tcp: true },
  'an id of 33 bits': {
    kind: 'offer',
    attempt: 1,
    ...credentials,
    streams: { ice: 2 ** 32, punch: 1 },
    tcp: true,
  },
  'no candidate': { kind: 'candidate', attempt: 1, line: 'candidate:1 1 udp 1 host.local 1 typ host' },
  'an unknown behaviour': {
    kind: 'nat',
    attempt: 1,
    nat: { mapping: 'cone', filtering: 'none', portAllocation: 'random', udpWorks: true, publicIps: [] },
  },
  'ports the wrong way round': {
    kind: 'nat',
    attempt: 1,
    nat: {
      ...{ mapping: 'none', filtering: 'none', portAllocation: 'block', ports: { min: 9, max: 8 } },
      ...{ udpWorks: true, publicIps: [] },
    },
  },
  'no IP': {
    kind: 'nat',
    attempt: 1,
    nat: {
      ...{ mapping: 'none', filtering: 'none', portAllocation: 'random' },
      ...{ udpWorks: true, publicIps: ['localhost'] },
    },
  },
  'no transport': { kind: 'punch', attempt: 1, transport: 'sctp', text: '' },
}

for (const [what, message] of Object.entries(WRONG)) {
  test(`is refused: ${what}`, (t) => {
    t.throws(() => decodeDirectMessage(JSON.stringify(message)), { code: 'ERR_REACH_DECODE' })
  })
}

test('whatever comes is read or refused, never anything else', (t) => {
  const lines = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({ kind: fc.constantFrom('offer', 'nat', 'candidate', 'punch', 'over'), attempt: fc.nat() })
      .map((fields) => JSON.stringify(fields)),
  )
  fc.assert(
    fc.property(lines, (line) => {
      try {
        decodeDirectMessage(line)
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('lines are the same however the bytes are cut', (t) => {
  const text = 'one\n\ntwo und ö\nthree\n'
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 30 })), (cuts) => {
      const reader = new LineReader(20)
      const bytes = Buffer.from(`${text}rest`)
      const lines: string[] = []
      const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length]
      for (let i = 1; i < at.length; i++) lines.push(...reader.push(bytes.subarray(at[i - 1], at[i])))
      return lines.join('|') === 'one||two und ö|three'
    }),
  )
  t.pass()
})

test('a line without end is refused as soon as it is too long', (t) => {
  const reader = new LineReader(8)
  t.deepEqual([...reader.push(Buffer.from('12345678'))], [])
  t.throws(() => [...reader.push(Buffer.from('9'))], { code: 'ERR_REACH_DECODE' })
})
