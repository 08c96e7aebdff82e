import fc from 'fast-check'
import test from 'ava'
import { formatEndpoint, parseEndpoint } from '../../../lib/base/endpoint.ts'
import { ReachError } from '../../../lib/base/errors.ts'

const READ: readonly (readonly [text: string, host: string, port: number])[] = [
  ['stun.example.org:3478', 'stun.example.org', 3478],
  ['STUN.Example.ORG:3478', 'stun.example.org', 3478],
  ['  example.org:1  ', 'example.org', 1],
  ['localhost:65535', 'localhost', 65_535],
  ['_stun._udp.example.org:3478', '_stun._udp.example.org', 3478],
  ['xn--bcher-kva.example:80', 'xn--bcher-kva.example', 80],
  ['3com.example:80', '3com.example', 80],
  ['192.0.2.1:3478', '192.0.2.1', 3478],
  ['192.0.2.1:03478', '192.0.2.1', 3478],
  ['[2001:DB8::1]:3478', '2001:db8::1', 3478],
  ['[::ffff:192.0.2.1]:3478', '192.0.2.1', 3478],
  ['[fe80::1%eth0]:3478', 'fe80::1%eth0', 3478],
  // without a port the default is used
  ['example.org', 'example.org', 9999],
  ['192.0.2.1', '192.0.2.1', 9999],
  ['[2001:db8::1]', '2001:db8::1', 9999],
  ['2001:db8::1', '2001:db8::1', 9999],
  ['2001:db8::1:3478', '2001:db8::1:3478', 9999],
  ['::', '::', 9999],
]

for (const [text, host, port] of READ) {
  test(`${JSON.stringify(text)} is ${host} and port ${port}`, (t) => {
    t.deepEqual(parseEndpoint(text, 9999), { host, port })
  })
}

const REFUSED: readonly (readonly [text: string, hint: RegExp])[] = [
  ['', /HOST:PORT/],
  [':3478', /HOST:PORT/],
  ['example.org:', /HOST:PORT/],
  ['example.org:port', /HOST:PORT/],
  ['example.org:-1', /HOST:PORT/],
  ['example.org:123456', /HOST:PORT/],
  ['example.org:3478:3479', /HOST:PORT/],
  ['stun:example.org:3478', /HOST:PORT/],
  ['https://example.org:443', /HOST:PORT/],
  ['user@example.org:22', /HOST:PORT/],
  ['example.org/path:80', /HOST:PORT/],
  ['exa mple.org:80', /HOST:PORT/],
  ['-example.org:80', /HOST:PORT/],
  ['example-.org:80', /HOST:PORT/],
  ['example..org:80', /HOST:PORT/],
  [`${'a'.repeat(64)}.org:80`, /HOST:PORT/],
  [`${'a.'.repeat(127)}a:80`, /HOST:PORT/],
  ['256.0.0.1:80', /HOST:PORT/],
  ['192.0.2:80', /HOST:PORT/],
  ['010.0.0.1:80', /HOST:PORT/],
  ['[192.0.2.1]:80', /HOST:PORT/],
  ['[example.org]:80', /HOST:PORT/],
  ['[2001:db8::1', /HOST:PORT/],
  ['2001:db8::1]:80', /HOST:PORT/],
  ['[[2001:db8::1]]:80', /HOST:PORT/],
  ['2001:db8:::1', /HOST:PORT/],
  ['bücher.example:80', /HOST:PORT/],
  ['example.org:0', /from 1 to 65535/],
  ['example.org:65536', /from 1 to 65535/],
]

for (const [text, hint] of REFUSED) {
  test(`${JSON.stringify(text)} is no endpoint, and the hint says what to write`, (t) => {
    const error = t.throws(() => parseEndpoint(text, 9999))
    if (!ReachError.is(error, 'ERR_REACH_ADDRESS')) return t.fail(String(error))
    t.regex(error.hint ?? '', hint)
    t.true(error.message.includes(JSON.stringify(text)))
  })
}

test('without a default the port must be there', (t) => {
  for (const text of ['example.org', '192.0.2.1', '[2001:db8::1]', '2001:db8::1']) {
    const error = t.throws(() => parseEndpoint(text))
    if (!ReachError.is(error, 'ERR_REACH_ADDRESS')) return t.fail(String(error))
    t.regex(error.hint ?? '', /^add a port: /)
  }
})

test('the hint for a bare IPv6 address without a port can be typed as it stands', (t) => {
  const error = t.throws(() => parseEndpoint('2001:db8::1'))
  if (!ReachError.is(error)) return t.fail(String(error))
  const suggestion = (error.hint ?? '').replace('add a port: ', '').replace('PORT', '3478')
  t.deepEqual(parseEndpoint(suggestion), { host: '2001:db8::1', port: 3478 })
})

const endpoint = fc.record({
  host: fc.oneof(
    fc.domain().map((name) => name.toLowerCase()),
    fc.ipV4(),
    fc.constantFrom('2001:db8::1', '::1', 'fe80::1%eth0'),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
})

test('what is formatted reads back', (t) => {
  fc.assert(fc.property(endpoint, (value) => t.deepEqual(parseEndpoint(formatEndpoint(value)), value)))
})

test('hostile text is refused with ERR_REACH_ADDRESS or reads as something that formats and reads back', (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({ unit: fc.constantFrom(...Array.from('ab01.:[]%-_/@ \n\0')), maxLength: 40 }),
  )
  fc.assert(
    fc.property(text, (hostile) => {
      try {
        const value = parseEndpoint(hostile, 1)
        t.deepEqual(parseEndpoint(formatEndpoint(value)), value)
      } catch (error) {
        t.true(ReachError.is(error, 'ERR_REACH_ADDRESS'), String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
