import test from 'ava'
import fc from 'fast-check'
import { ROLES, isNetworkDomain, isPeerName, parsePeerName, parseRole } from '../../../lib/base/peer-name.ts'
import { refusal } from '../../support/identity.ts'

const PEER_ID = '47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy'
const LONGEST = 'a'.repeat(63)

for (const name of ['a', 'alice', 'web-1', '1', '3com', 'a--b', 'xn--bcher-kva', LONGEST]) {
  test(`${name} can be a name (RFC 1035 §2.3.1, RFC 1123 §2.1)`, (t) => {
    t.is(parsePeerName(name), name)
    t.true(isPeerName(name))
  })
}

test('capitals become small, and spaces around a name go', (t) => {
  t.is(parsePeerName(' Alice\n'), 'alice')
  t.false(isPeerName('Alice'))
})

for (const text of [
  '',
  ' ',
  '-a',
  'a-',
  'a.b',
  'a b',
  'a_b',
  'ä',
  `${LONGEST}a`,
  'a/b',
  'a\nb',
  '*',
  PEER_ID,
]) {
  test(`${JSON.stringify(text)} can't be a name`, (t) => {
    refusal(t, () => parsePeerName(text), 'ERR_REACH_NAME')
    t.false(isPeerName(text))
  })
}

test('any text is a name that isPeerName knows, or ERR_REACH_NAME', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 70 }), (text) => {
      let name: string
      try {
        name = parsePeerName(text)
      } catch {
        refusal(t, () => parsePeerName(text), 'ERR_REACH_NAME')
        return
      }
      t.true(isPeerName(name))
      t.is(parsePeerName(name), name)
    }),
  )
})

test('the roles are peer, relay and admin, in that spelling alone', (t) => {
  for (const role of ['peer', 'relay', 'admin'])
    t.is(parseRole(role), ROLES.find((known) => known === role) ?? 'peer')
  for (const text of ['', 'Peer', 'root', 'peer ', 'toString']) {
    const error = refusal(t, () => parseRole(text), 'ERR_REACH_USAGE')
    t.is(error.hint, 'the roles are peer, relay, admin')
  }
})

test('a domain of a network is dot-separated labels, short enough for the longest name before it (RFC 1035 §2.3.4)', (t) => {
  const longest = [LONGEST, LONGEST, 'a'.repeat(61)].join('.')
  t.is(`${LONGEST}.${longest}`.length, 253)
  for (const text of ['net', 'net.example', 'a-1.b.c', longest]) t.true(isNetworkDomain(text), text)
  for (const text of [
    '',
    '.',
    'net.',
    '.net',
    'a..b',
    'Net.example',
    'a_b',
    'net.example\n',
    `${longest}a`,
  ]) {
    t.false(isNetworkDomain(text), JSON.stringify(text))
  }
})
