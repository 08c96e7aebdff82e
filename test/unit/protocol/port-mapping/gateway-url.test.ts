import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import {
  formatGatewayUrl,
  hostHeader,
  parseGatewayUrl,
} from '../../../../lib/protocol/port-mapping/gateway-url.ts'

const GATEWAY = '192.168.1.1'
const LOCATION = parseGatewayUrl('http://192.168.1.1:5000/upnp/rootDesc.xml', GATEWAY)
const REFUSED = { code: 'ERR_REACH_DECODE' }

test('a URL on the host that answered is taken, with its port, path and query', (t) => {
  t.deepEqual(LOCATION, { address: transportAddress(GATEWAY, 5000, 'tcp'), path: '/upnp/rootDesc.xml' })
  t.deepEqual(parseGatewayUrl(' HTTP://192.168.1.1?a=b#c ', GATEWAY), {
    address: transportAddress(GATEWAY, 80, 'tcp'),
    path: '/?a=b',
  })
  t.is(formatGatewayUrl(LOCATION), 'http://192.168.1.1:5000/upnp/rootDesc.xml')
})

test('relative URLs are relative to where they were found', (t) => {
  const path = (text: string) => parseGatewayUrl(text, GATEWAY, LOCATION).path
  t.is(path('/ctl'), '/ctl')
  t.is(path('ctl'), '/upnp/ctl')
  t.is(path('../ctl?x'), '/ctl?x')
  t.is(path('http://192.168.1.1:5000/ctl'), '/ctl')
})

test('other hosts, names, schemes, passwords and port 0 are refused, in whatever disguise', (t) => {
  for (const text of [
    'http://192.168.1.2/',
    'http://router.lan/',
    'http://localhost/',
    'http://192.168.1.1.example.org/',
    'http://[::1]/',
    'https://192.168.1.1/',
    'ftp://192.168.1.1/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://192.168.1.1@192.168.1.2/',
    'http://user@192.168.1.1/',
    'http://192.168.1.1:0/',
    'http://192.168.1.1:70000/',
    '//192.168.1.2/ctl',
    '\\\\192.168.1.2\\ctl',
    `/${'a'.repeat(2000)}`,
  ]) {
    t.throws(() => parseGatewayUrl(text, GATEWAY, LOCATION), REFUSED, text)
  }
  t.throws(() => parseGatewayUrl('/ctl', GATEWAY), REFUSED, 'relative to nothing')
})

test('no line break gets into the request line', (t) => {
  t.is(parseGatewayUrl('/a\r\nHost: b c', GATEWAY, LOCATION).path, '/aHost:%20b%20c')
})

test('in IPv6 the host that answered takes the place of the one that is named; its zone stays at home', (t) => {
  const url = parseGatewayUrl('http://[2001:db8::1]:5000/d.xml', 'fe80::1%eth0')
  t.deepEqual(url.address, transportAddress('fe80::1%eth0', 5000, 'tcp'))
  t.is(hostHeader(url), '[fe80::1]:5000')
  t.is(parseGatewayUrl('ctl', 'fe80::1%eth0', url).path, '/ctl')
  t.is(parseGatewayUrl('http://[fe80::1%25eth0]:5000/', 'fe80::1%eth0').address.port, 5000)
  t.throws(() => parseGatewayUrl('http://192.168.1.1/', 'fe80::1%eth0'), REFUSED)
})

test('arbitrary text leads to the gateway or nowhere', (t) => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
    fc.webPath(),
    fc.string().map((rest) => `http://192.168.1.1${rest}`),
  )
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const { address, path } = parseGatewayUrl(text, GATEWAY, LOCATION)
        return address.ip === GATEWAY && path.startsWith('/') && !/[\s\0]/.test(path)
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
