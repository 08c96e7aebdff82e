import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import {
  bytesToIp,
  canonicalIp,
  formatAddress,
  ipToBytes,
  isIp,
  sameAddress,
  transportAddress,
} from '../../../lib/base/transport-address.ts'

const CANONICAL_FORMS: readonly (readonly [written: string, canonical: string, source: string])[] = [
  // RFC 5952 §1 and §2.2: all these are one address.
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:0db8::1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:db8:0000:0:1::1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1', 'RFC 5952 §1'],
  ['2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:1', 'RFC 5952 §4.1'],
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1', 'RFC 5952 §4.2.1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'RFC 5952 §4.2.2: one group is not shortened'],
  ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'RFC 5952 §4.2.2'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1', 'RFC 5952 §4.2.3: the longest run'],
  ['2001:DB8::ABCD', '2001:db8::abcd', 'RFC 5952 §4.3'],
  ['::', '::', 'RFC 4291 §2.5.2'],
  ['0:0:0:0:0:0:0:0', '::', 'RFC 4291 §2.5.2'],
  ['0:0:0:0:0:0:0:1', '::1', 'RFC 4291 §2.5.3'],
  ['1:0:0:0:0:0:0:0', '1::', 'RFC 4291 §2.2'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8', 'RFC 4291 §2.2: `::` may stand for one group'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', 'RFC 4291 §2.2'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221', 'RFC 6052 §2.4'],
  ['::192.0.2.1', '::c000:201', 'RFC 4291 §2.5.5.1: IPv4-compatible is deprecated and stays IPv6'],
  ['::ffff:192.0.2.1', '192.0.2.1', 'RFC 4291 §2.5.5.2'],
  ['::FFFF:c000:201', '192.0.2.1', 'RFC 4291 §2.5.5.2'],
  ['0:0:0:0:0:ffff:0:0', '0.0.0.0', 'RFC 4291 §2.5.5.2'],
  ['::fffe:192.0.2.1', '::fffe:c000:201', 'a neighbour of the mapped prefix'],
  ['192.0.2.1', '192.0.2.1', 'RFC 5737'],
  ['0.0.0.0', '0.0.0.0', 'RFC 1122 §3.2.1.3'],
  ['255.255.255.255', '255.255.255.255', 'RFC 919'],
  ['fe80::1%eth0', 'fe80::1%eth0', 'RFC 4007 §11'],
  ['FE80:0:0::1%Wlan0', 'fe80::1%Wlan0', 'RFC 4007 §11: a zone is a name, and its case matters'],
  ['fe80::1%12', 'fe80::1%12', 'RFC 4007 §11: or a number, as Windows has it'],
  ['::ffff:192.0.2.1%eth0', '192.0.2.1', 'RFC 4007 §11: zones are for IPv6 alone'],
]

for (const [written, canonical, source] of CANONICAL_FORMS) {
  test(`${written} is written ${canonical} (${source})`, (t) => {
    t.is(canonicalIp(written), canonical)
    t.is(canonicalIp(canonical), canonical)
    t.true(isIp(written))
  })
}

const NOT_IPS: readonly string[] = [
  ...[
    '',
    ' ',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '1.2.3.-4',
    '1.2.3.+4',
    '1..3.4',
    '.1.2.3.4',
    '1.2.3.4.',
  ],
  ...['010.0.0.1', '0x7f.0.0.1', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4\n', '1.2.3.4\0', '1.2.3.٤', '1.2.3.4%eth0'],
  ...[':', ':::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8'],
  ...['12345::', 'g::', '::1\n', '[::1]', '::1/64', ':1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8:', '1:::2', '::-1'],
  ...['::1.2.3', '::1.2.3.256', '::01.2.3.4', '1.2.3.4::', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', '::0x1'],
]

for (const text of NOT_IPS) {
  test(`${JSON.stringify(text)} is not an IP`, (t) => {
    const error = t.throws(() => canonicalIp(text))
    t.true(ReachError.is(error, 'ERR_REACH_ADDRESS'))
    t.false(isIp(text))
  })
}

const v4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
/** Many zero groups, so that `::` and its ties are common. */
const v6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])))
const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdefABCDEF:.%[]/x -\n\0')), maxLength: 60 }),
)

test('the text of any 4 or 16 bytes reads back as the same address, in one spelling', (t) => {
  fc.assert(
    fc.property(fc.oneof(v4Bytes, v6Bytes), (bytes) => {
      const text = bytesToIp(bytes)
      t.is(canonicalIp(text), text)
      t.is(bytesToIp(ipToBytes(text)), text)
      if (!text.includes('.') || bytes.length === 4) t.deepEqual(ipToBytes(text), bytes)
    }),
  )
})

test('text of IPv6 follows RFC 5952 as URL parsers write it', (t) => {
  fc.assert(
    fc.property(v6Bytes, (bytes) => {
      const full = Array.from({ length: 8 }, (_, i) =>
        Buffer.from(bytes).toString('hex', 2 * i, 2 * i + 2),
      ).join(':')
      const canonical = canonicalIp(full)
      fc.pre(canonical.includes(':')) // URLs keep mapped IPv4 in hexadecimal
      t.is(new URL(`http://[${full}]/`).hostname, `[${canonical}]`)
    }),
  )
})

test('hostile text is an IP exactly when the system thinks so, and else ERR_REACH_ADDRESS', (t) => {
  fc.assert(
    fc.property(hostileText, (text) => {
      fc.pre(!text.includes('%')) // zones: see the vectors above
      t.is(isIp(text), isIPv4(text) || isIPv6(text), JSON.stringify(text))
      if (isIp(text)) return
      t.true(
        ReachError.is(
          t.throws(() => canonicalIp(text)),
          'ERR_REACH_ADDRESS',
        ),
      )
    }),
    { numRuns: 2000 },
  )
})

test('hostile zones never change the address before them', (t) => {
  fc.assert(
    fc.property(hostileText, (zone) => {
      const text = `fe80::1%${zone}`
      if (isIp(text)) t.is(canonicalIp(text), text)
      else
        t.true(
          ReachError.is(
            t.throws(() => canonicalIp(text)),
            'ERR_REACH_ADDRESS',
          ),
        )
    }),
  )
})

test('ipToBytes takes no zone, and bytesToIp no other length', (t) => {
  t.true(
    ReachError.is(
      t.throws(() => ipToBytes('fe80::1%eth0')),
      'ERR_REACH_ADDRESS',
    ),
  )
  for (const length of [0, 3, 5, 15, 17]) {
    t.throws(() => bytesToIp(new Uint8Array(length)), { instanceOf: RangeError })
  }
})

test('a TransportAddress has a family that fits its canonical IP', (t) => {
  t.deepEqual(transportAddress('::ffff:192.0.2.1', 443, 'tcp'), {
    family: 'ipv4',
    ip: '192.0.2.1',
    port: 443,
    transport: 'tcp',
  })
  t.deepEqual(transportAddress('2001:DB8::1', 0), {
    family: 'ipv6',
    ip: '2001:db8::1',
    port: 0,
    transport: 'udp',
  })
})

test('a port is a whole number from 0 to 65535', (t) => {
  t.is(transportAddress('192.0.2.1', 65_535).port, 65_535)
  for (const port of [-1, 65_536, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.true(
      ReachError.is(
        t.throws(() => transportAddress('192.0.2.1', port)),
        'ERR_REACH_ADDRESS',
      ),
    )
  }
})

test('addresses are the same when IP, port and transport are', (t) => {
  const address = transportAddress('192.0.2.1', 443, 'tcp')
  t.true(sameAddress(address, transportAddress('::ffff:192.0.2.1', 443, 'tcp')))
  t.false(sameAddress(address, transportAddress('192.0.2.2', 443, 'tcp')))
  t.false(sameAddress(address, transportAddress('192.0.2.1', 444, 'tcp')))
  t.false(sameAddress(address, transportAddress('192.0.2.1', 443, 'udp')))
  t.false(
    sameAddress(transportAddress('fe80::1%a', 1), transportAddress('fe80::1%b', 1)),
    'zones are part of it',
  )
})

test('addresses are formatted with brackets around IPv6', (t) => {
  t.is(formatAddress(transportAddress('192.0.2.1', 3478)), '192.0.2.1:3478')
  t.is(formatAddress(transportAddress('2001:db8::1', 3478)), '[2001:db8::1]:3478')
  t.is(formatAddress(transportAddress('fe80::1%eth0', 3478)), '[fe80::1%eth0]:3478')
})
