import test from 'ava'
import type { StunTarget } from '../../../lib/probe/targets.ts'
import { addressesOfFamily, parseTargets } from '../../../lib/probe/targets.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { ReachError } from '../../../lib/base/errors.ts'

test('reads relays and STUN servers, with the default port where there is none', (t) => {
  const stun = [
    'stun.example.org',
    'STUN:Stun.Example.org:19302',
    '[2001:DB8::1]:3479',
    '2001:db8::1',
    '192.0.2.1',
  ]
  const targets = parseTargets(['https://relay.example.org', '192.0.2.7:8443'], stun)
  t.deepEqual(targets.stun, [
    { host: 'stun.example.org', port: 3478 },
    { host: 'stun.example.org', port: 19_302 },
    { host: '2001:db8::1', port: 3479 },
    { host: '2001:db8::1', port: 3478 },
    { host: '192.0.2.1', port: 3478 },
  ])
  t.deepEqual(
    targets.relays.map(({ host, port, secure }) => [host, port, secure]),
    [
      ['relay.example.org', 443, true],
      ['192.0.2.7', 8443, true],
    ],
  )
  t.false(targets.areDefault)
})

test('public servers are asked only when nobody is named', (t) => {
  const none = parseTargets([], [])
  t.true(none.areDefault)
  t.true(none.stun.length >= 2)
  t.deepEqual(parseTargets(['relay.example.org'], []).stun, [])
})

test('SSH servers stand where relays do', (t) => {
  const targets = parseTargets(['ssh://me@bastion.example.org', 'relay.example.org'], [])
  t.deepEqual(
    targets.ssh.map(({ user, host, port }) => [user, host, port]),
    [['me', 'bastion.example.org', 22]],
  )
  t.is(targets.relays.length, 1)
  t.false(targets.areDefault)
})

test('what is no server is an error with a hint', (t) => {
  const refused = (relays: readonly string[], stun: readonly string[]) => {
    const error = t.throws(() => parseTargets(relays, stun), { code: 'ERR_REACH_ADDRESS' })
    t.true(ReachError.is(error) && (error.hint ?? '') !== '')
  }
  for (const text of [
    '',
    ' ',
    ':3478',
    '1.2.3:99999',
    '1.2.3',
    'a b',
    'stun:',
    'stun://x',
    'x:0',
    'x:-1',
    '[x]:1',
    'turn:x',
  ])
    refused([], [text])
  for (const text of [
    '',
    'ftp://x',
    'https://',
    'https://u:p@x',
    'https://x/y',
    'http://x#sha256=00',
    'ssh://x/y',
  ])
    refused([text], [])
})

function aTarget(label: string, ...ips: readonly string[]): StunTarget {
  return {
    label,
    isRelay: false,
    endpoint: { host: label, port: 3478 },
    outcome: { kind: 'found', ips },
    addresses: ips.map((ip) => transportAddress(ip, 3478)),
  }
}

test('takes one address of each server before the second of any, each once', (t) => {
  const targets = [
    aTarget('many', '192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1'),
    aTarget('one', '192.0.2.9'),
    aTarget('same', '192.0.2.1', '2001:db8::1'),
    aTarget('none'),
  ]
  const ips = (family: 'ipv4' | 'ipv6') => addressesOfFamily(targets, family).map(({ ip }) => ip)
  t.deepEqual(ips('ipv4'), ['192.0.2.1', '192.0.2.9', '192.0.2.2', '192.0.2.3'])
  t.deepEqual(ips('ipv6'), ['2001:db8::1'])
  t.deepEqual(addressesOfFamily([], 'ipv4'), [])
})
