import test from 'ava'
import fc from 'fast-check'
import type { AlternativeNames, ConstrainedNames } from '../../../../lib/identity/certificate/extensions.ts'
import {
  brokenConstraint,
  onlyDnsTree,
  permitsDomain,
} from '../../../../lib/identity/certificate/name-constraints.ts'

function names(over: Partial<AlternativeNames> = {}): AlternativeNames {
  return { dns: [], uris: [], otherTypes: [], ...over }
}

function broken(
  of: Partial<AlternativeNames>,
  permitted: Partial<ConstrainedNames>,
  excluded: Partial<ConstrainedNames> = {},
): string | undefined {
  return brokenConstraint(names(of), { permitted: names(permitted), excluded: names(excluded) })
}

/** Name, tree, whether the one is in the other. */
const dnsRows: readonly (readonly [string, string, boolean])[] = [
  ['host.example.com', 'host.example.com', true],
  ['www.host.example.com', 'host.example.com', true],
  ['host1.example.com', 'host.example.com', false],
  ['evilhost.example.com', 'host.example.com', false],
  ['example.com', 'host.example.com', false],
  ['host.example.com.evil', 'host.example.com', false],
  ['host.example.com.', 'host.example.com', false],
  ['a.example.com', 'Example.COM', true],
  ['*.example.com', 'example.com', true],
  ['a.example.com', '.example.com', true],
  ['example.com', '.example.com', false],
  ['anything.at.all', '', true],
  ['', 'example.com', false],
]

for (const [name, tree, isIn] of dnsRows) {
  test(`the DNS name '${name}' is ${isIn ? '' : 'not '}in the tree '${tree}' (RFC 5280 §4.2.1.10)`, (t) => {
    t.is(broken({ dns: [name] }, { dns: [tree] }), isIn ? undefined : name)
    t.is(broken({ dns: [name] }, {}, { dns: [tree] }), isIn ? name : undefined)
  })
}

const uriRows: readonly (readonly [string, string, boolean])[] = [
  ['p2p-reach://alice.net.example/peer', '.net.example', true],
  ['p2p-reach://a.b.net.example/peer', '.net.example', true],
  ['p2p-reach://net.example/peer', '.net.example', false],
  ['p2p-reach://net.example/peer', 'net.example', true],
  ['p2p-reach://alice.net.example/peer', 'net.example', false],
  ['https://user:pass@ALICE.net.example:8443/x?y#z', '.net.example', true],
  ['https://alice.net.example@evil.example/x', '.net.example', false],
  ['https://evil.example/@alice.net.example', '.net.example', false],
  ['https://evil.example?.net.example', '.net.example', false],
  ['https://evil.example#.net.example', '.net.example', false],
  ['https://alicenet.example/', '.net.example', false],
]

for (const [uri, tree, isIn] of uriRows) {
  test(`the URI ${uri} is ${isIn ? '' : 'not '}in the tree '${tree}' (RFC 5280 §4.2.1.10)`, (t) => {
    t.is(broken({ uris: [uri] }, { uris: [tree] }), isIn ? undefined : uri)
    t.is(broken({ uris: [uri] }, {}, { uris: [tree] }), isIn ? uri : undefined)
  })
}

test('a URI without a host name satisfies no constraint on URIs, and breaks none on DNS names', (t) => {
  for (const uri of [
    'urn:uuid:1',
    'p2p-reach:root',
    'mailto:a@net.example',
    'https://[2001:db8::1]/',
    'https:///x',
    '://net.example',
  ]) {
    t.is(broken({ uris: [uri] }, { uris: ['.net.example'] }), uri)
    t.is(broken({ uris: [uri] }, {}, { uris: ['.evil.example'] }), uri)
    t.is(broken({ uris: [uri] }, { dns: ['net.example'] }), undefined)
  }
})

test('excluded wins over permitted; of several permitted one is enough; every name has to hold', (t) => {
  t.is(broken({ dns: ['a.b.c'] }, { dns: ['c'] }, { dns: ['b.c'] }), 'a.b.c')
  t.is(broken({ dns: ['a.d'] }, { dns: ['c', 'd'] }), undefined)
  t.is(broken({ dns: ['a.c', 'a.e'] }, { dns: ['c'] }), 'a.e')
})

test('a constraint on one type of name says nothing of the other', (t) => {
  t.is(broken({ uris: ['https://evil.example/'] }, { dns: ['net.example'] }), undefined)
  t.is(broken({ dns: ['evil.example'] }, { uris: ['.net.example'] }), undefined)
})

test('names and constraints of types that are not understood count as broken, but for what excludes absent names', (t) => {
  t.regex(broken({ otherTypes: [1] }, { dns: ['a'] }) ?? '', /type 1/)
  t.regex(broken({ dns: ['a'] }, { dns: ['a'], otherTypes: [4] }) ?? '', /type 4/)
  t.is(broken({ dns: ['a'] }, { dns: ['a'] }, { otherTypes: [1, 7] }), undefined)
})

test('regression: an excluded directory name is not passed over, for every certificate has a subject', (t) => {
  t.regex(broken({ dns: ['a'] }, {}, { otherTypes: [4] }) ?? '', /subjects/)
})

test('permitsDomain: a network needs its DNS names and its URIs', (t) => {
  const permits = (permitted: Partial<ConstrainedNames>, excluded: Partial<ConstrainedNames> = {}) =>
    permitsDomain({ permitted: names(permitted), excluded: names(excluded) }, 'net.example')
  t.true(permits({}))
  t.true(permits({ dns: ['net.example'] }))
  t.true(permits({ dns: ['example'], uris: ['.example'] }))
  t.false(permits({ dns: ['net.example'], uris: ['net.example'] }))
  t.false(permits({ dns: ['other.example'] }))
  t.false(permits({}, { dns: ['net.example'] }))
  t.false(permits({ otherTypes: [7] }))
})

test('onlyDnsTree is where names may stand, when there is one place', (t) => {
  t.is(onlyDnsTree(names({ dns: ['net.example'] })), 'net.example')
  t.is(onlyDnsTree(names({ dns: ['.net.example'] })), 'net.example')
  t.is(onlyDnsTree(names({ dns: ['a', 'b'] })), undefined)
  t.is(onlyDnsTree(names()), undefined)
})

test('whatever is permitted ends in one of the trees', (t) => {
  const label = fc.stringMatching(/^[a-c]{1,2}$/)
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
  fc.assert(
    fc.property(name, fc.array(name, { minLength: 1, maxLength: 3 }), (dns, trees) => {
      const isIn = trees.some((tree) => `.${dns}`.endsWith(`.${tree}`))
      t.is(broken({ dns: [dns] }, { dns: trees }) === undefined, isIn)
    }),
    { numRuns: 500 },
  )
})
