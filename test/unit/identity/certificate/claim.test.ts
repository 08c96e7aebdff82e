import test from 'ava'
import { claimOf, claimUri, isCrossSignedRoot } from '../../../../lib/identity/certificate/claim.ts'
import { crossSign } from '../../../../lib/identity/issue/certificate-profiles.ts'
import { NOW_MS, aCertificate, aMember, aNetwork, memberNames } from '../../../support/identity.ts'

async function claimed(uris: readonly string[], dns: readonly string[] = ['alice.net.example']) {
  return claimOf((await aCertificate({ uris, dns })).certificate)
}

test('a claim is one name in one network with its roles', async (t) => {
  t.is(claimUri('alice', 'net.example', 'peer'), 'p2p-reach://alice.net.example/peer')
  t.deepEqual(await claimed(['p2p-reach://alice.net.example/peer', 'p2p-reach://alice.net.example/admin']), {
    name: 'alice',
    domain: 'net.example',
    roles: ['peer', 'admin'],
  })
})

test('URIs of others are passed over', async (t) => {
  const claim = await claimed(['https://alice.example/', ...memberNames('alice', 'net.example').uris])
  t.is(claim?.name, 'alice')
})

for (const [what, uris] of [
  ['no URI', []],
  ['URIs of others alone', ['https://alice.net.example/peer']],
  ['two names', ['p2p-reach://alice.net.example/peer', 'p2p-reach://bob.net.example/peer']],
  ['two networks', ['p2p-reach://alice.net.example/peer', 'p2p-reach://alice.example/peer']],
  ['a role that nobody knows', ['p2p-reach://alice.net.example/peer', 'p2p-reach://alice.net.example/king']],
  ['no role', ['p2p-reach://alice.net.example/']],
  ['a user name', ['p2p-reach://root@alice.net.example/peer']],
  ['a port', ['p2p-reach://alice.net.example:1/peer']],
  ['a query', ['p2p-reach://alice.net.example/peer?x']],
  ['capitals', ['p2p-reach://Alice.net.example/peer']],
  ['a name without a network', ['p2p-reach://alice/peer']],
  ['an empty label', ['p2p-reach://alice..example/peer']],
  ['something else beside it', ['p2p-reach://alice.net.example/peer', 'p2p-reach:anything']],
] as const) {
  test(`${what}: no claim`, async (t) => {
    t.is(await claimed(uris, ['alice.net.example', 'alice.example', 'bob.net.example']), undefined)
  })
}

test('regression: a claim whose DNS name is missing, or another, is none: CAs constrain DNS names', async (t) => {
  const uris = ['p2p-reach://alice.net.example/peer']
  for (const dns of [[], ['bob.net.example'], ['alice.other.example'], ['*.net.example'], ['net.example']]) {
    t.is(await claimed(uris, dns), undefined, dns.join())
  }
  t.truthy(await claimed(uris, ['other.example', 'ALICE.net.example']))
})

test('a cross-signed root says so; roots, intermediates and members don’t', async (t) => {
  const [network, next] = [await aNetwork(), await aNetwork()]
  const cross = await crossSign(next.root, network.rootIssuer, NOW_MS)
  t.true(isCrossSignedRoot(cross))
  t.is(claimOf(cross), undefined)
  const member = await aMember(network, { roles: ['admin'] })
  const claims = await aCertificate({ uris: ['p2p-reach:root'] })
  for (const other of [network.root, network.intermediate, member.leaf, claims.certificate])
    t.false(isCrossSignedRoot(other))
})
