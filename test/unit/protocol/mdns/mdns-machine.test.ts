import test from 'ava'
import fc from 'fast-check'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { generateKeyPair } from '../../../../lib/identity/keys/key-pair.ts'
import type { DnsMessage, DnsRecord } from '../../../../lib/protocol/mdns/dns-message.ts'
import { decodeDns, encodeDns } from '../../../../lib/protocol/mdns/dns-message.ts'
import { SERVICE_TYPE, SERVICE_TYPES, lanTag, recordsOf } from '../../../../lib/protocol/mdns/lan-service.ts'
import type { MdnsLink } from '../../../../lib/protocol/mdns/mdns-link.ts'
import type { MdnsEffect } from '../../../../lib/protocol/mdns/mdns-machine.ts'
import { MdnsMachine } from '../../../../lib/protocol/mdns/mdns-machine.ts'
import { MAX_SERVICES, MAX_SERVICES_OF_SOURCE } from '../../../../lib/protocol/mdns/service-cache.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'

const RUNS = { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200) }
const LINK: MdnsLink = {
  number: 1,
  family: 'ipv4',
  zone: 'eth0',
  networks: [
    { ip: '192.168.1.5', prefixLength: 24 },
    { ip: 'fd12::5', prefixLength: 64 },
  ],
  ips: ['192.168.1.5', 'fd12::5'],
}
const OWN = { instance: '0123456789abcdef', tag: 'aa'.repeat(16), port: 4001 }
const OTHER = { instance: 'fedcba9876543210', tag: 'bb'.repeat(16), port: 4002 }
const OTHER_AT = transportAddress('192.168.1.9', 5353)
const OWN_NAME = `${OWN.instance}.${SERVICE_TYPE}`

/** A machine on a clock of its own, and what it has sent. */
class Bench {
  readonly machine: MdnsMachine
  nowMs = 0
  changes = 0
  readonly sent: {
    readonly atMs: number
    readonly message: DnsMessage
    readonly to: TransportAddress | undefined
  }[] = []

  constructor(service: typeof OWN | 'only looks' = OWN, links: readonly MdnsLink[] = [LINK]) {
    const random = new SeededRandom(5)
    const randomBytes = (length: number) => random.bytes(length)
    this.machine = new MdnsMachine({ service: service === 'only looks' ? undefined : service, randomBytes })
    this.machine.handle({ kind: 'links', links }, 0)
    this.#drain()
  }

  /** Lets time pass up to a moment. */
  until(atMs: number): void {
    for (let steps = 0; steps < 1000; steps++) {
      const dueMs = this.machine.deadlineMs
      if (dueMs === undefined || dueMs > atMs) break
      this.nowMs = Math.max(this.nowMs, dueMs)
      this.machine.handleTimeout(this.nowMs)
      this.#drain()
    }
    this.nowMs = atMs
  }

  /** Announcements are over, and what they used up of rates is free again. */
  settle(): void {
    this.until(5000)
    this.sent.length = 0
  }

  hear(message: Partial<DnsMessage>, from: TransportAddress = OTHER_AT): void {
    this.hearBytes(encodeDns({ ...EMPTY, ...message }), from)
  }

  hearBytes(bytes: Uint8Array, from: TransportAddress = OTHER_AT): void {
    this.machine.handle({ kind: 'received', bytes, from }, this.nowMs)
    this.#drain()
  }

  do(kind: 'look' | 'close'): void {
    this.machine.handle({ kind }, this.nowMs)
    this.#drain()
  }

  get heard(): readonly string[] {
    return this.machine
      .services(this.nowMs)
      .map(({ instance, port, ips }) => `${instance} ${port} ${ips.join(' ')}`)
  }

  #drain(): void {
    for (let effect: MdnsEffect | undefined; (effect = this.machine.poll()) !== undefined;) {
      if (effect.kind === 'changed') this.changes++
      else this.sent.push({ atMs: this.nowMs, message: decodeDns(effect.bytes), to: effect.to })
    }
  }
}

const EMPTY: DnsMessage = {
  ...{ id: 0, isResponse: false, isTruncated: false },
  ...{ questions: [], answers: [], additionals: [] },
}
const ask = (name: string, type = 'PTR') => ({ questions: [{ name, type, isUnicast: false }] })
/** As {@link ask}, with the bit of RFC 6762 §5.4, which our own code never sets. */
function askAlone(name: string): Uint8Array {
  const bytes = encodeDns({ ...EMPTY, ...ask(name) })
  bytes[bytes.length - 2] = 0x80
  return bytes
}
function announcementOf(
  service: typeof OWN,
  ips: readonly string[],
  change: (record: DnsRecord) => DnsRecord = (record) => record,
): Partial<DnsMessage> {
  const { pointer, service: srv, text, addresses } = recordsOf(service, ips)
  return { isResponse: true, answers: [...pointer, ...srv, ...text, ...addresses].map(change) }
}
const typesIn = (records: readonly DnsRecord[] | undefined) => records?.map(({ type }) => type)

test('a service is announced twice, a second apart, after some chance (RFC 6762 §8.3), and then no more', (t) => {
  const bench = new Bench()
  bench.until(3_600_000)
  const [first, second] = bench.sent.map(({ atMs }) => atMs)
  t.is(bench.sent.length, 2)
  t.true(first !== undefined && first >= 20 && first <= 120)
  t.is(second, (first ?? 0) + 1000)
  for (const { message, to } of bench.sent) {
    t.is(to, undefined)
    t.deepEqual(typesIn(message.answers), ['PTR', 'SRV', 'TXT', 'A', 'AAAA'])
    // RFC 6762 §10.2: what others may say, too, replaces nothing.
    t.deepEqual(
      message.answers.map(({ isOnly }) => isOnly),
      [false, true, true, true, true],
    )
    t.true(message.answers.every(({ ttlS }) => ttlS === 120))
  }
})

test('who is asked for answers within 20 to 120 ms, with all that will be asked next (RFC 6762 §6, RFC 6763 §12.1)', (t) => {
  const bench = new Bench()
  bench.settle()
  bench.hear(ask(SERVICE_TYPE.toUpperCase()))
  bench.until(10_000)
  const [answer, ...others] = bench.sent
  t.is(others.length, 0)
  t.true(answer !== undefined && answer.atMs >= 5020 && answer.atMs <= 5120)
  t.deepEqual(typesIn(answer?.message.answers), ['PTR'])
  t.deepEqual(typesIn(answer?.message.additionals), ['SRV', 'TXT', 'A', 'AAAA'])
})

test('what only we can answer is answered at once; the types of services are told; nothing else is', (t) => {
  const bench = new Bench()
  bench.settle()
  bench.hear(ask(OWN_NAME, 'SRV'))
  t.deepEqual(typesIn(bench.sent[0]?.message.answers), ['SRV'])
  t.is(bench.sent[0]?.atMs, bench.nowMs)
  bench.until(10_000)
  bench.hear(ask(`${OWN.instance}.local`, 'AAAA'))
  t.deepEqual(typesIn(bench.sent[1]?.message.answers), ['A', 'AAAA'])
  bench.until(20_000)
  bench.hear(ask(SERVICE_TYPES))
  bench.until(30_000)
  t.deepEqual(typesIn(bench.sent[2]?.message.answers), ['PTR'])
  bench.hear(ask('_http._tcp.local'))
  bench.hear(ask(SERVICE_TYPE, 'SRV'))
  bench.hear(ask(`${OTHER.instance}.${SERVICE_TYPE}`, 'SRV'))
  bench.until(40_000)
  t.is(bench.sent.length, 3)
})

const known = (ttlS: number): DnsRecord => ({
  ...{ type: 'PTR', name: SERVICE_TYPE, target: OWN_NAME, ttlS, isOnly: false },
})

test('who knows us for more than half our time is not told again; who will soon forget is (RFC 6762 §7.1)', (t) => {
  const bench = new Bench()
  bench.settle()
  bench.hear({ ...ask(SERVICE_TYPE), answers: [known(60)] })
  bench.until(10_000)
  t.is(bench.sent.length, 0)
  bench.hear({ ...ask(SERVICE_TYPE), answers: [known(59)] })
  bench.until(20_000)
  t.is(bench.sent.length, 1)
})

test('known answers may come later, if the question says so, and count for who sent them (RFC 6762 §7.2)', (t) => {
  const bench = new Bench()
  bench.settle()
  const question = encodeDns({ ...EMPTY, ...ask(SERVICE_TYPE) })
  question[2] = 0x02 // TC
  bench.hearBytes(question)
  bench.until(5350)
  t.is(bench.sent.length, 0, 'more time than usual')
  bench.hear({ answers: [known(120)] })
  bench.until(10_000)
  t.is(bench.sent.length, 0)
  bench.hearBytes(question)
  bench.until(10_200)
  bench.hear({ answers: [known(120)] }, transportAddress('192.168.1.77', 5353))
  bench.until(20_000)
  t.is(bench.sent.length, 1, 'another one’s knowledge')
})

test('nothing is multicast more than once in a second, however many ask (RFC 6762 §6)', (t) => {
  const bench = new Bench()
  bench.settle()
  for (let at = 0; at < 400; at++) {
    const from = transportAddress(`192.168.1.${10 + (at % 200)}`, 5353)
    bench.hear(at % 2 === 0 ? ask(SERVICE_TYPE) : ask(OWN_NAME, 'ANY'), from)
    bench.until(5000 + at * 10)
  }
  bench.until(20_000)
  for (const type of ['PTR', 'SRV', 'TXT', 'A'] as const) {
    const times = bench.sent
      .filter(({ message }) =>
        [...message.answers, ...message.additionals].some((record) => record.type === type),
      )
      .map(({ atMs }) => atMs)
    t.true(times.length >= 3 && times.length <= 6, `${type}: ${times.length}`)
    times.reduce((before, atMs) => (t.true(atMs - before > 999.99, `${type}: ${before}, ${atMs}`), atMs))
  }
})

test('who wants the answer alone gets it so if all heard it lately, else all hear it (RFC 6762 §5.4)', (t) => {
  const bench = new Bench()
  bench.settle()
  bench.hearBytes(askAlone(SERVICE_TYPE))
  t.deepEqual(
    bench.sent.map(({ to }) => to),
    [OTHER_AT],
  )
  bench.until(60_000)
  bench.hearBytes(askAlone(SERVICE_TYPE))
  bench.until(61_000)
  t.deepEqual(
    bench.sent.map(({ to }) => to),
    [OTHER_AT, undefined],
  )
})

test('a resolver that knows no multicast is answered as a DNS server would (RFC 6762 §6.7)', (t) => {
  const bench = new Bench()
  bench.settle()
  const resolver = transportAddress('192.168.1.9', 40_000)
  bench.hear({ id: 77, ...ask(SERVICE_TYPE) }, resolver)
  const [{ message, to } = { message: undefined, to: undefined }] = bench.sent
  t.deepEqual([message?.id, to], [77, resolver])
  t.deepEqual(message?.questions, ask(SERVICE_TYPE).questions)
  const records = [...(message?.answers ?? []), ...(message?.additionals ?? [])]
  t.is(records.length, 5)
  t.true(records.every(({ ttlS, isOnly }) => ttlS === 10 && !isOnly))
})

test('single askers together get ten answers a second and no more', (t) => {
  const bench = new Bench()
  bench.settle()
  for (let at = 0; at < 150; at++)
    bench.hear(ask(SERVICE_TYPE), transportAddress(`192.168.1.${10 + at}`, 40_000))
  t.is(bench.sent.length, 10)
})

test('its end is told with times of 0, and then it is silent (RFC 6762 §10.1)', (t) => {
  const bench = new Bench()
  bench.settle()
  bench.do('close')
  t.is(bench.sent.length, 1)
  t.deepEqual(typesIn(bench.sent[0]?.message.answers), ['PTR', 'SRV', 'TXT', 'A', 'AAAA'])
  t.true(bench.sent[0]?.message.answers.every(({ ttlS }) => ttlS === 0))
  bench.hear(ask(SERVICE_TYPE))
  bench.do('look')
  t.is(bench.machine.deadlineMs, undefined)
  t.is(bench.sent.length, 1)
})

test('peers are heard, once on each link, and forgotten when their time is over', (t) => {
  const bench = new Bench('only looks')
  bench.hear(announcementOf(OTHER, ['192.168.1.9', 'fd12::9']))
  t.deepEqual(bench.heard, [`${OTHER.instance} 4002 192.168.1.9 fd12::9`])
  t.is(bench.changes, 1)
  bench.until(60_000)
  bench.hear(announcementOf(OTHER, ['192.168.1.9', 'fd12::9']))
  t.is(bench.changes, 1, 'no news')
  bench.until(179_000)
  t.is(bench.heard.length, 1)
  bench.until(180_000)
  t.deepEqual([bench.heard.length, bench.changes], [0, 2])
})

test('who says goodbye is forgotten a second later; who moves is found at the new address', (t) => {
  const bench = new Bench('only looks')
  bench.hear(announcementOf(OTHER, ['192.168.1.9']))
  bench.hear(announcementOf(OTHER, ['192.168.1.99']), transportAddress('192.168.1.99', 5353))
  t.deepEqual(bench.heard, [`${OTHER.instance} 4002 192.168.1.99`])
  bench.hear(announcementOf(OTHER, ['192.168.1.99'], (record) => ({ ...record, ttlS: 0 })))
  t.is(bench.heard.length, 1)
  bench.until(1000)
  t.is(bench.heard.length, 0)
})

test('an answer in several packets is put together', (t) => {
  const bench = new Bench('only looks')
  const { pointer, service, text, addresses } = recordsOf(OTHER, ['192.168.1.9'])
  bench.hear({ isResponse: true, answers: pointer })
  bench.hear({ isResponse: true, answers: text })
  t.is(bench.heard.length, 0)
  bench.hear({ isResponse: true, answers: service, additionals: addresses })
  t.is(bench.heard.length, 1)
})

test('no time is believed that is longer than ours', (t) => {
  const bench = new Bench('only looks')
  bench.hear(announcementOf(OTHER, ['192.168.1.9'], (record) => ({ ...record, ttlS: 2 ** 31 })))
  bench.until(119_999)
  t.is(bench.heard.length, 1)
  bench.until(120_000)
  t.is(bench.heard.length, 0)
})

const DISBELIEVED: readonly (readonly [string, Partial<DnsMessage>, TransportAddress])[] = [
  [
    'from outside our networks',
    announcementOf(OTHER, ['192.168.1.9']),
    transportAddress('192.168.2.9', 5353),
  ],
  ['from the internet', announcementOf(OTHER, ['192.168.1.9']), transportAddress('203.0.113.9', 5353)],
  [
    'from a port that is not 5353 (RFC 6762 §6)',
    announcementOf(OTHER, ['192.168.1.9']),
    transportAddress('192.168.1.9', 5354),
  ],
  ['of an address of the internet', announcementOf(OTHER, ['203.0.113.9']), OTHER_AT],
  ['of an address in another private network', announcementOf(OTHER, ['10.0.0.1']), OTHER_AT],
  ['of loopback', announcementOf(OTHER, ['127.0.0.1', '::1']), OTHER_AT],
  ['of the broadcast address of our LAN', announcementOf(OTHER, ['192.168.1.255']), OTHER_AT],
  ['of a group', announcementOf(OTHER, ['224.0.0.251', 'ff02::fb']), OTHER_AT],
  ['without a port', announcementOf({ ...OTHER, port: 0 }, ['192.168.1.9']), OTHER_AT],
  ['with a tag that is none', announcementOf({ ...OTHER, tag: 'x' }, ['192.168.1.9']), OTHER_AT],
  [
    'under a name that is none of ours',
    announcementOf({ ...OTHER, instance: 'printer' }, ['192.168.1.9']),
    OTHER_AT,
  ],
  ['of ourselves', announcementOf(OWN, ['192.168.1.9']), OTHER_AT],
  [
    'of a host of another name',
    announcementOf(OTHER, ['192.168.1.9'], (record) =>
      record.type === 'SRV' ? { ...record, target: 'router.local' } : record,
    ),
    OTHER_AT,
  ],
]

for (const [what, message, from] of DISBELIEVED) {
  test(`not believed: an announcement ${what}`, (t) => {
    const bench = new Bench()
    bench.hear(message, from)
    t.deepEqual(bench.heard, [])
  })
}

test('a flood of names from one host, and from many, leaves those that were there and fills no memory', (t) => {
  const bench = new Bench('only looks')
  bench.hear(announcementOf(OTHER, ['192.168.1.9']))
  const flood = (count: number, from: TransportAddress) => {
    for (let at = 0; at < count; at++) {
      const instance = `${from.ip.replaceAll('.', '')}${at}`.padStart(16, 'a').slice(-16)
      bench.hear(announcementOf({ ...OTHER, instance }, ['192.168.1.66']), from)
      bench.until(bench.nowMs + 20)
    }
  }
  flood(50, transportAddress('192.168.1.66', 5353))
  t.is(bench.heard.length, 1 + MAX_SERVICES_OF_SOURCE)
  for (let host = 100; host < 120; host++) flood(10, transportAddress(`192.168.1.${host}`, 5353))
  t.is(bench.heard.length, MAX_SERVICES)
  t.true(bench.heard.includes(`${OTHER.instance} 4002 192.168.1.9`))
})

test('a neighbour who sends without a pause is not read without a pause', (t) => {
  const bench = new Bench()
  bench.settle()
  for (let at = 0; at < 300; at++) bench.hear(ask('_http._tcp.local'))
  bench.hear(announcementOf(OTHER, ['192.168.1.9']))
  t.is(bench.heard.length, 0)
  bench.hear(announcementOf(OTHER, ['192.168.1.9']), transportAddress('192.168.1.10', 5353))
  t.is(bench.heard.length, 1, 'others are')
})

test('whoever looks asks after some chance, a second and three seconds later, and says what it knows (RFC 6762 §5.2, §7.1)', (t) => {
  const bench = new Bench('only looks')
  bench.until(10_000)
  t.is(bench.sent.length, 0, 'nothing is asked before')
  bench.do('look')
  bench.do('look')
  bench.until(10_500)
  bench.hear(announcementOf(OTHER, ['192.168.1.9']))
  bench.until(60_000)
  const [first = 0, ...later] = bench.sent.map(({ atMs }) => atMs)
  t.true(first >= 10_020 && first <= 10_120)
  t.deepEqual(
    later.map((atMs) => Math.round(atMs - first)),
    [1000, 3000],
  )
  t.deepEqual(bench.sent[0]?.message.questions, ask(SERVICE_TYPE).questions)
  t.deepEqual(
    bench.sent.map(({ message }) =>
      message.answers.map((record) => (record.type === 'PTR' ? record.target : '')),
    ),
    [[], [`${OTHER.instance}.${SERVICE_TYPE}`], [`${OTHER.instance}.${SERVICE_TYPE}`]],
  )
  bench.until(120_000)
  bench.do('look')
  bench.until(121_000)
  t.deepEqual(bench.sent[3]?.message.answers, [], 'it is known for less than half its time')
})

test('the same question is not asked twice in a second, however often somebody looks', (t) => {
  const bench = new Bench('only looks')
  for (let at = 0; at < 1000; at++) {
    bench.do('look')
    bench.until(at * 10)
  }
  const times = bench.sent.map(({ atMs }) => atMs)
  t.true(times.length >= 5)
  times.reduce((before, atMs) => (t.true(atMs - before > 999.99, `${before}, ${atMs}`), atMs))
})

test('a link that goes takes its peers along; one that comes is told of the service', (t) => {
  const bench = new Bench()
  bench.hear(announcementOf(OTHER, ['192.168.1.9']))
  bench.settle()
  bench.machine.handle({ kind: 'links', links: [LINK] }, bench.nowMs)
  bench.until(10_000)
  t.deepEqual([bench.sent.length, bench.heard.length], [0, 1], 'it is the same')
  bench.machine.handle({ kind: 'links', links: [{ ...LINK, number: 2 }] }, bench.nowMs)
  bench.until(20_000)
  t.deepEqual([bench.sent.length, bench.heard.length], [2, 0])
})

test('neighbours on IPv6 are told by their zone', (t) => {
  const bench = new Bench('only looks', [{ ...LINK, family: 'ipv6' }])
  const message = announcementOf(OTHER, ['192.168.1.9'])
  bench.hear(message, transportAddress('fe80::9%eth1', 5353))
  bench.hear(message, transportAddress('192.168.1.9', 5353))
  t.is(bench.heard.length, 0)
  bench.hear(message, transportAddress('fe80::9%eth0', 5353))
  t.is(bench.heard.length, 1)
})

test('a tag is told by who knows network and PeerId, and by nobody else', (t) => {
  const [alice, bob] = [generateKeyPair().peerId, generateKeyPair().peerId]
  const network = 'ab'.repeat(32)
  const tag = lanTag(network, alice, OWN.instance)
  t.regex(tag, /^[0-9a-f]{32}$/)
  const others = [
    lanTag(network, bob, OWN.instance),
    lanTag('cd'.repeat(32), alice, OWN.instance),
    lanTag(network, alice, OTHER.instance),
  ]
  t.is(new Set([tag, ...others]).size, 4)
  // Fixed: older and newer versions have to recognise each other.
  t.is(
    lanTag('00'.repeat(32), 'y'.repeat(52) as typeof alice, '0'.repeat(16)),
    '7d0af70769bcf6c0b8721f4b5a23ed25',
  )
})

test('whatever comes: it never throws, never sends faster than its rates, and believes neighbours alone', (t) => {
  const ip = fc.constantFrom('192.168.1.9', '192.168.1.10', '10.0.0.1', '127.0.0.1', 'fd12::9')
  const aName = fc.constantFrom(
    ...[
      SERVICE_TYPE,
      SERVICE_TYPES,
      OWN_NAME,
      `${OTHER.instance}.${SERVICE_TYPE}`,
      `${OTHER.instance}.local`,
      'x.local',
      '',
    ],
  )
  const head = { name: aName, ttlS: fc.constantFrom(0, 1, 120, 4_000_000_000), isOnly: fc.boolean() }
  const record = fc.oneof(
    fc.record({ ...head, type: fc.constant('PTR'), target: aName }),
    fc.record({ ...head, type: fc.constant('SRV'), port: fc.nat(65_535), target: aName }),
    fc.record({
      ...head,
      type: fc.constant('TXT'),
      texts: fc.constantFrom([`id=${OTHER.tag}`], ['id='], ['']),
    }),
    ip.chain((address) =>
      fc.record({
        ...head,
        type: fc.constant(address.includes(':') ? 'AAAA' : 'A'),
        ip: fc.constant(address),
      }),
    ),
  ) as fc.Arbitrary<DnsRecord>
  const message = fc.record({
    ...{ id: fc.nat(65_535), isResponse: fc.boolean(), isTruncated: fc.constant(false) },
    questions: fc.array(
      fc.record({
        name: aName,
        type: fc.constantFrom('PTR', 'SRV', 'TXT', 'A', 'ANY'),
        isUnicast: fc.constant(false),
      }),
      { maxLength: 3 },
    ),
    answers: fc.array(record, { maxLength: 6 }),
    additionals: fc.array(record, { maxLength: 3 }),
  })
  const bytes = fc.oneof(
    { weight: 4, arbitrary: message.map(encodeDns) },
    { arbitrary: fc.uint8Array(), weight: 1 },
  )
  const step = fc.record({ bytes, from: ip, port: fc.constantFrom(5353, 40_000), waitMs: fc.nat(1500) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const bench = new Bench()
      for (const { bytes: packet, from, port, waitMs } of steps) {
        bench.hearBytes(packet, transportAddress(from, port))
        bench.until(bench.nowMs + waitMs)
      }
      bench.until(bench.nowMs + 1000)
      const perSecond = bench.sent.length / (bench.nowMs / 1000 + 1)
      t.true(perSecond <= 16, `${perSecond} packets in a second`)
      for (const { ips } of bench.machine.services(bench.nowMs))
        t.true(ips.every((each) => each.startsWith('192.168.1.') || each.startsWith('fd12::')))
      bench.until(bench.nowMs + 121_000)
      t.deepEqual(bench.heard, [])
      t.is(bench.machine.deadlineMs, undefined)
    }),
    RUNS,
  )
})
