import { inspect } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import {
  isExempt,
  ProxyCredentials,
  proxyFor,
  proxiesFor,
} from '../../../../lib/net/outward/proxy-environment.ts'
import type { ProxyEnvironment } from '../../../../lib/net/outward/proxy-environment.ts'

const HTTPS = { host: 'relay.example', port: 443, secure: true }
const HTTP = { host: 'relay.example', port: 80, secure: false }

/** Address and source of the proxy for a target, or why there is none. */
function choice(env: ProxyEnvironment, target = HTTPS): string {
  const chosen = proxyFor(env, target)
  return chosen.kind === 'proxy' ? `${chosen.proxy.source} ${chosen.proxy.address}` : chosen.kind
}

test('the variable of the scheme comes first, then ALL_PROXY, then that of the other scheme', (t) => {
  const all = { HTTPS_PROXY: 'http://s:1', HTTP_PROXY: 'http://h:2', ALL_PROXY: 'http://a:3' }
  t.is(choice(all, HTTPS), 'HTTPS_PROXY s:1')
  t.is(choice(all, HTTP), 'HTTP_PROXY h:2')
  const some = { HTTP_PROXY: 'http://h:2', ALL_PROXY: 'http://a:3' }
  t.is(choice(some, HTTPS), 'ALL_PROXY a:3')
  t.is(choice({ HTTP_PROXY: 'http://h:2' }, HTTPS), 'HTTP_PROXY h:2')
  t.is(choice({ HTTPS_PROXY: 'http://s:1' }, HTTP), 'HTTPS_PROXY s:1')
  t.is(choice({}, HTTPS), 'direct')
})

test('lower case comes before upper case; empty means not set', (t) => {
  t.is(choice({ https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:2' }), 'https_proxy low:1')
  t.is(choice({ https_proxy: '', HTTPS_PROXY: 'http://up:2' }), 'HTTPS_PROXY up:2')
  t.is(choice({ https_proxy: '  ', HTTPS_PROXY: undefined }), 'direct')
})

test('proxy URLs: with and without scheme, port, path; default ports 80 and 443', (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['http://proxy.example:3128', 'proxy.example:3128'],
    ['http://proxy.example:3128/', 'proxy.example:3128'],
    ['proxy.example:3128', 'proxy.example:3128'],
    ['proxy.example', 'proxy.example:80'],
    ['http://proxy.example', 'proxy.example:80'],
    ['https://proxy.example', 'proxy.example:443'],
    ['HTTP://PROXY.example:8080', 'proxy.example:8080'],
    ['http://192.0.2.1:3128', '192.0.2.1:3128'],
    ['http://[2001:db8::1]:3128', '[2001:db8::1]:3128'],
    [' http://proxy.example:3128 ', 'proxy.example:3128'],
    ['http://bob:pw@proxy.example:3128', 'proxy.example:3128'],
    ['bob:pw@proxy.example:3128', 'proxy.example:3128'],
  ]
  for (const [value, address] of rows) t.is(choice({ HTTPS_PROXY: value }), `HTTPS_PROXY ${address}`, value)
  const chosen = proxyFor({ HTTPS_PROXY: 'https://proxy.example' }, HTTPS)
  t.true(chosen.kind === 'proxy' && chosen.proxy.secure)
})

test('SOCKS 5 is a proxy by all its names, on port 1080; credentials that RFC 1929 has no room for are invalid', (t) => {
  for (const scheme of ['socks5', 'socks5h', 'socks']) {
    const chosen = proxyFor({ ALL_PROXY: `${scheme}://bob:pw@proxy.example` }, HTTPS)
    t.like(chosen, { kind: 'proxy', proxy: { kind: 'socks5', address: 'proxy.example:1080', secure: false } })
    const login = chosen.kind === 'proxy' ? chosen.proxy.credentials?.socksLogin() : undefined
    t.is(Buffer.from(login?.password ?? []).toString(), 'pw')
  }
  for (const userInfo of ['bob', 'bob:', `bob:${'x'.repeat(256)}`]) {
    const chosen = proxyFor({ ALL_PROXY: `socks5://${userInfo}@proxy.example` }, HTTPS)
    t.deepEqual(chosen, { kind: 'invalid', source: 'ALL_PROXY' }, userInfo)
  }
})

test('all proxies that the environment names come once each, in their order, and less what is exempt', (t) => {
  const env = {
    http_proxy: 'http://web.example:3128',
    HTTPS_PROXY: 'http://web.example:3128',
    ALL_PROXY: 'socks5://socks.example',
  }
  const target = { host: 'relay.example', port: 443 }
  const named = (vars: Record<string, string>) =>
    proxiesFor(vars, target).map(({ kind, address }) => `${kind} ${address}`)
  t.deepEqual(named(env), ['connect web.example:3128', 'socks5 socks.example:1080'])
  t.deepEqual(named({ ...env, NO_PROXY: 'relay.example' }), [])
  t.deepEqual(named({}), [])
})

test('SOCKS 4 is known, but not used; everything else is invalid, and never quoted', (t) => {
  for (const scheme of ['socks4', 'socks4a']) {
    t.deepEqual(proxyFor({ ALL_PROXY: `${scheme}://bob:pw@proxy.example:1080` }, HTTPS), {
      kind: 'unsupported',
      source: 'ALL_PROXY',
      scheme,
    })
  }
  for (const value of [
    'ftp://proxy.example',
    'http://',
    'http://a b',
    'http://h:99999',
    'http://u:%ZZ@h:1',
    '://',
  ]) {
    t.deepEqual(proxyFor({ HTTPS_PROXY: value }, HTTPS), { kind: 'invalid', source: 'HTTPS_PROXY' }, value)
  }
})

test('credentials are percent-decoded and become Basic in UTF-8 (RFC 7617 §2)', (t) => {
  const authorization = (value: string) => {
    const chosen = proxyFor({ HTTPS_PROXY: value }, HTTPS)
    return chosen.kind === 'proxy' ? chosen.proxy.credentials?.basicAuthorization() : chosen.kind
  }
  t.is(authorization('http://Aladdin:open%20sesame@h:1'), 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')
  // RFC 7617 §2.1: "test" and "123£".
  t.is(authorization('http://test:123%C2%A3@h:1'), 'Basic dGVzdDoxMjPCow==')
  t.is(authorization('http://user@h:1'), `Basic ${btoa('user:')}`)
  t.is(authorization('http://h:1'), undefined)
})

test('credentials print as [redacted] in every way of printing', (t) => {
  const credentials = new ProxyCredentials('aladdin', 'hunter2')
  const chosen = proxyFor({ HTTPS_PROXY: 'http://aladdin:hunter2@h:1' }, HTTPS)
  const printed = [
    String(credentials),
    JSON.stringify({ credentials }),
    inspect(credentials, { showHidden: true }),
    inspect({ chosen }, { depth: 9, showHidden: true }),
    JSON.stringify(chosen),
  ]
  for (const text of printed) {
    t.notRegex(text, /aladdin|hunter2/)
    t.regex(text, /redacted/)
  }
})

test('NO_PROXY exempts names and all below them, IPs, networks, ports, and with * everything', (t) => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['*', 'relay.example', true],
    ['relay.example', 'relay.example', true],
    ['RELAY.Example', 'relay.example', true],
    ['example', 'relay.example', true],
    ['.example', 'relay.example', true],
    ['*.example', 'relay.example', true],
    ['.relay.example', 'relay.example', true],
    ['example.', 'relay.example.', true],
    ['other, relay.example', 'relay.example', true],
    ['other relay.example', 'relay.example', true],
    ['lay.example', 'relay.example', false],
    ['www.relay.example', 'relay.example', false],
    ['relay.example:443', 'relay.example', true],
    ['relay.example:80', 'relay.example', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.10', false],
    ['2.1', '192.0.2.1', false],
    ['192.0.2.0/24', '192.0.2.77', true],
    ['192.0.2.0/24', '192.0.3.77', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.129', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['192.0.2.0/33', '192.0.2.1', false],
    ['192.0.2.0/', '192.0.2.1', false],
    ['192.0.2.0/24', 'relay.example', false],
    ['2001:db8::/32', '2001:db8:5::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['[2001:db8::1]', '2001:db8::1', true],
    ['2001:db8::1', '2001:db8::1', true],
    ['[2001:db8::1]:443', '2001:db8::1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::/0', '192.0.2.1', false],
    ['', 'relay.example', false],
    [',,', 'relay.example', false],
  ]
  for (const [list, host, expected] of rows) {
    t.is(isExempt(list, { host, port: 443 }), expected, `${list} for ${host}`)
  }
  t.deepEqual(proxyFor({ HTTPS_PROXY: 'http://p:1', no_proxy: 'example' }, HTTPS), {
    kind: 'exempt',
    source: 'no_proxy',
  })
  t.is(choice({ NO_PROXY: '*' }), 'direct')
})

test('any environment is read without an exception', (t) => {
  const value = fc.option(
    fc.oneof(
      fc.string(),
      fc.webUrl(),
      fc.ipV6(),
      fc.string().map((s) => `http://${s}@h:1`),
    ),
    {
      nil: undefined,
    },
  )
  fc.assert(
    fc.property(value, value, value, fc.constantFrom(HTTP, HTTPS), (proxy, all, none, target) => {
      proxyFor({ https_proxy: proxy, ALL_PROXY: all, NO_PROXY: none }, target)
      isExempt(none ?? '', { host: 'fe80::1%eth0', port: 1 })
    }),
  )
  t.pass()
})
