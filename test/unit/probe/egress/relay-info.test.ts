import test from 'ava'
import fc from 'fast-check'
import { parseRelayUrl } from '../../../../lib/base/relay-url.ts'
import { formatAddress } from '../../../../lib/base/transport-address.ts'
import type { HttpResponse } from '../../../../lib/probe/egress/http.ts'
import { hostHeader, parseRelayInfo } from '../../../../lib/probe/egress/relay-info.ts'

function response(body: string, changes: Partial<HttpResponse> = {}): HttpResponse {
  const bytes = new TextEncoder().encode(body)
  return { status: 200, headers: {}, body: bytes, isComplete: true, headMs: 1, headAtWallMs: 0, ...changes }
}

/** The STUN addresses that are believed of a relay at `relayIp`. */
function stun(entries: unknown, relayIp = '203.0.113.9'): readonly string[] | undefined {
  const info = parseRelayInfo(response(JSON.stringify({ version: '1.2.3', stun: entries })), relayIp)
  return info?.stun.map(formatAddress)
}

test('reads version and STUN addresses; what else there may be is for later versions', (t) => {
  const body = { version: '1.2.3', stun: ['203.0.113.9:3478', '[2001:db8::9]:3479'], more: true }
  const info = parseRelayInfo(response(JSON.stringify(body)), '203.0.113.9')
  t.is(info?.version, '1.2.3')
  t.deepEqual(info?.stun, [
    { family: 'ipv4', ip: '203.0.113.9', port: 3478, transport: 'udp' },
    { family: 'ipv6', ip: '2001:db8::9', port: 3479, transport: 'udp' },
  ])
})

test('what is no description of a relay is none, and no fault', (t) => {
  const bodies = [
    '',
    'null',
    '[]',
    '42',
    '"text"',
    '<html>',
    '{"version":"1"}',
    '{"stun":[]}',
    '{"version":1,"stun":[]}',
    '{"version":"1","stun":"203.0.113.9:3478"}',
    '{"version":"1","stun":{}}',
    '['.repeat(60_000),
  ]
  for (const body of bodies) t.is(parseRelayInfo(response(body), '203.0.113.9'), undefined, body.slice(0, 40))
  const good = '{"version":"1","stun":[]}'
  t.is(parseRelayInfo(response(good, { status: 404 }), '203.0.113.9'), undefined)
  t.is(parseRelayInfo(response(good, { isComplete: false }), '203.0.113.9'), undefined)
  t.deepEqual(parseRelayInfo(response(good), '203.0.113.9'), { version: '1', stun: [] })
})

test('entries that are no IP:PORT are left out; doubles count once, and no more than eight are taken', (t) => {
  t.deepEqual(
    stun([
      '203.0.113.9:3478',
      '203.0.113.9:3478',
      'relay.example:3478',
      '203.0.113.9',
      '203.0.113.9:0',
      7,
      null,
      '[fe80::1%eth0]:1',
    ]),
    ['203.0.113.9:3478'],
  )
  const useless = Array.from({ length: 100 }, () => 'nonsense')
  t.deepEqual(stun([...useless, '203.0.113.9:1']), ['203.0.113.9:1'])
  t.is(stun(Array.from({ length: 1000 }, (_, i) => `203.0.113.9:${i + 1}`))?.length, 8)
})

test('a relay on the internet can not send our packets into private networks, a private one can', (t) => {
  const entries = ['192.168.0.1:53', '127.0.0.1:22', '169.254.169.254:80', '[fd00::1]:1', '198.51.100.1:3478']
  t.deepEqual(stun(entries, '203.0.113.9'), ['198.51.100.1:3478'])
  t.deepEqual(stun(entries, '192.168.0.9'), entries)
})

test('addresses that nobody can answer from are never asked', (t) => {
  const entries = ['0.0.0.0:3478', '[::]:3478', '224.0.0.1:3478', '255.255.255.255:3478', '[ff02::1]:3478']
  t.deepEqual(stun(entries, '127.0.0.1'), [])
})

test('the version is fit for terminals', (t) => {
  const body = JSON.stringify({ version: '1\u001b[31m\u202e', stun: [] })
  t.is(parseRelayInfo(response(body), '203.0.113.9')?.version, '1?[31m?')
})

test('any JSON is read or refused without an exception', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), fc.jsonValue(), (body, entry) => {
      parseRelayInfo(response(body), '203.0.113.9')
      stun([entry, entry])
    }),
  )
  t.pass()
})

test('the Host header has a port only where it is not the scheme’s own (RFC 9110 §7.2)', (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['https://relay.example', 'relay.example'],
    ['https://relay.example:80', 'relay.example:80'],
    ['http://relay.example:80', 'relay.example'],
    ['https://[2001:db8::1]', '[2001:db8::1]'],
    ['https://[2001:db8::1]:8443', '[2001:db8::1]:8443'],
  ]
  for (const [url, host] of rows) t.is(hostHeader(parseRelayUrl(url)), host)
})
