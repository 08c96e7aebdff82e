import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../lib/base/errors.ts'
import { parseRelayUrl } from '../../../lib/base/relay-url.ts'

const PIN = '0123456789abcdef'.repeat(4)
const PIN_WITH_COLONS = PIN.toUpperCase().replace(/(..)(?=.)/g, '$1:')

function refusal(text: string): ReachError {
  try {
    parseRelayUrl(text)
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_ADDRESS')) return error
    throw error
  }
  throw new Error(`${text} was accepted`)
}

test('reads host, port and scheme; the default ports are 443 and 80 (RFC 9110 §4.2)', (t) => {
  const rows: [string, { host: string; port: number; secure: boolean }][] = [
    ['https://relay.example.org', { host: 'relay.example.org', port: 443, secure: true }],
    ['https://Relay.Example.org:8443', { host: 'relay.example.org', port: 8443, secure: true }],
    ['HTTPS://relay.example.org', { host: 'relay.example.org', port: 443, secure: true }],
    ['http://relay.example.org', { host: 'relay.example.org', port: 80, secure: false }],
    ['http://203.0.113.9:8080', { host: '203.0.113.9', port: 8080, secure: false }],
    ['https://[2001:DB8:0::1]', { host: '2001:db8::1', port: 443, secure: true }],
    ['https://[2001:db8::1]:8443', { host: '2001:db8::1', port: 8443, secure: true }],
    ['relay.example.org', { host: 'relay.example.org', port: 443, secure: true }],
    ['relay.example.org:8443', { host: 'relay.example.org', port: 8443, secure: true }],
    ['[2001:db8::1]:8443', { host: '2001:db8::1', port: 8443, secure: true }],
    ['2001:db8::1', { host: '2001:db8::1', port: 443, secure: true }],
    ['https://relay.example.org/', { host: 'relay.example.org', port: 443, secure: true }],
    ['localhost', { host: 'localhost', port: 443, secure: true }],
  ]
  for (const [text, expected] of rows) t.deepEqual(parseRelayUrl(text), { ...expected, text }, text)
})

test('keeps the text as it was written, but for the spaces around it', (t) => {
  t.is(parseRelayUrl('  HTTPS://Relay.example.org \n').text, 'HTTPS://Relay.example.org')
})

test('reads a pin in either case, with colons or without', (t) => {
  for (const pin of [PIN, PIN.toUpperCase(), PIN_WITH_COLONS]) {
    t.is(parseRelayUrl(`https://relay.example.org#sha256=${pin}`).pinSha256, PIN)
    t.is(parseRelayUrl(`relay.example.org:8443#sha256=${pin}`).pinSha256, PIN)
  }
  t.false('pinSha256' in parseRelayUrl('https://relay.example.org'))
})

test('refuses everything else with a hint that says what to change', (t) => {
  const rows: [string, RegExp][] = [
    ['', /write https:\/\/HOST/],
    ['   ', /write https:\/\/HOST/],
    ['https://', /write https:\/\/HOST/],
    ['wss://relay.example.org', /write https:\/\//],
    ['ws://relay.example.org', /write http:\/\//],
    ['ftp://relay.example.org', /https:\/\/ or http:\/\//],
    ['https://relay.example.org:8443/a/b', /leave out the path: relay\.example\.org:8443/],
    ['https://relay.example.org?x=1', /leave out the query/],
    ['https://bob@relay.example.org', /user name/],
    ['https://relay.example.org:0', /port is a number/],
    ['https://relay.example.org:65536', /port is a number/],
    ['https://relay.example.org:', /HOST:PORT/],
    ['https://relay.example.org:http', /HOST:PORT/],
    ['https://2001:db8::1', /brackets/],
    ['https://2001:db8::1:8443', /brackets/],
    ['https://[relay.example.org]', /HOST:PORT/],
    ['https://[2001:db8::1', /HOST:PORT/],
    ['https://203.0.113', /HOST:PORT/],
    ['https://relay example.org', /spaces/],
    ['https:// relay.example.org', /spaces/],
    ['https://relay_!.example.org', /HOST:PORT/],
    [`https://relay.example.org#${PIN}`, /a pin is #sha256=/],
    ['https://relay.example.org#', /a pin is #sha256=/],
    ['https://relay.example.org#sha256=', /a pin is #sha256=/],
    [`https://relay.example.org#sha256=${PIN}0`, /a pin is #sha256=/],
    [`https://relay.example.org#sha256=${PIN.slice(1)}`, /a pin is #sha256=/],
    [`https://relay.example.org#sha256=${PIN.slice(1)}g`, /a pin is #sha256=/],
    [`https://relay.example.org#sha1=${PIN}`, /a pin is #sha256=/],
    [`https://relay.example.org#sha256=${PIN_WITH_COLONS}:`, /a pin is #sha256=/],
    [`http://relay.example.org#sha256=${PIN}`, /no certificate to pin/],
  ]
  for (const [text, hint] of rows) t.regex(refusal(text).hint ?? '', hint, text)
})

test('an error shows no password, neither in its message nor in its details', (t) => {
  for (const text of [
    'https://bob:hunter2@relay.example.org',
    'bob:hunter2@relay.example.org',
    'ftp://bob:hunter2@h',
    'https://bob:hunter2/@h',
    'https://bob:x#hunter2@h',
    'https://bob:hunter2#@h',
    'https://bob:a/hunter2@b@h',
  ]) {
    const error = refusal(text)
    t.notRegex(JSON.stringify([error.message, error.hint, error.details]), /hunter2|bob/, text)
  }
})

test('any text is read or refused with ERR_REACH_ADDRESS, and what was read is read again the same', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.webUrl().map((url) => url.replace(/\/.*/, '')),
      ),
      (text) => {
        let url
        try {
          url = parseRelayUrl(text)
        } catch (error) {
          return ReachError.is(error, 'ERR_REACH_ADDRESS')
        }
        return url.port >= 1 && url.port <= 65_535 && parseRelayUrl(url.text).host === url.host
      },
    ),
  )
  t.pass()
})
