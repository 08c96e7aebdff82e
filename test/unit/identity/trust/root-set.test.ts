import test from 'ava'
import type { Certificate } from '../../../../lib/identity/certificate/certificate.ts'
import { CROSS_SIGNED_ROOT_URI } from '../../../../lib/identity/certificate/claim.ts'
import { crossSign } from '../../../../lib/identity/issue/certificate-profiles.ts'
import type { Issuer } from '../../../../lib/identity/issue/sign-certificate.ts'
import type { AcceptedRootSet, RootSet } from '../../../../lib/identity/trust/root-set.ts'
import {
  acceptPinnedRootSet,
  acceptRootSet,
  readStoredRootSet,
  rootToPin,
  signRootSet,
} from '../../../../lib/identity/trust/root-set.ts'
import type { SignedStatement } from '../../../../lib/identity/trust/statement.ts'
import { NOW_MS, aCertificate, aMember, aNetwork, refusal } from '../../../support/identity.ts'

const domain = 'net.example'
const [first, second, third] = [await aNetwork(domain), await aNetwork(domain), await aNetwork(domain)]
const [R1, R2, R3] = [first.rootIssuer, second.rootIssuer, third.rootIssuer]
const secondByFirst = await crossSign(R2.certificate, R1, NOW_MS)
const thirdBySecond = await crossSign(R3.certificate, R2, NOW_MS)

function aSet(number: number, ...roots: readonly Issuer[]): RootSet {
  return { domain, number, issuedAtMs: NOW_MS, roots: roots.map(({ certificate }) => certificate) }
}

function signed(
  set: RootSet,
  by: Issuer,
  cross: readonly Certificate[] = [],
  as = by.certificate,
): SignedStatement {
  return signRootSet(set, by.privateKey, as, cross)
}

/** What a member believes that joined at first. */
function joined(...roots: readonly Issuer[]): AcceptedRootSet {
  return readStoredRootSet(signed(aSet(1, ...roots), R1))
}

const accept = (statement: SignedStatement, current = joined(R1)) => acceptRootSet(statement, current, NOW_MS)
const spkis = ({ roots }: RootSet) => roots.map(({ spkiSha256 }) => spkiSha256)

test('a trusted root may add another, and drop it again', (t) => {
  const both = accept(signed(aSet(2, R1, R2), R1))
  t.deepEqual(spkis(both), [R1.certificate.spkiSha256, R2.certificate.spkiSha256])
  t.deepEqual(spkis(accept(signed(aSet(3, R1), R1), both)), [R1.certificate.spkiSha256])
})

test('the new root may drop the old one once it is trusted', (t) => {
  const both = accept(signed(aSet(2, R1, R2), R1))
  t.deepEqual(spkis(accept(signed(aSet(3, R2), R2), both)), [R2.certificate.spkiSha256])
})

test('a member that slept through the change follows the cross-signature, over two changes as well', (t) => {
  t.is(accept(signed(aSet(3, R2), R2, [secondByFirst])).number, 3)
  t.is(accept(signed(aSet(5, R3), R3, [thirdBySecond, secondByFirst])).number, 5)
  t.is(accept(signed(aSet(5, R3), R3, [secondByFirst, thirdBySecond])).number, 5, 'in any order')
  refusal(t, () => accept(signed(aSet(5, R3), R3, [thirdBySecond])), 'ERR_REACH_STATEMENT', /vouches/)
})

test('a new root without a cross-signature is nobody to who trusts the old one alone', (t) => {
  refusal(t, () => accept(signed(aSet(2, R2), R2)), 'ERR_REACH_STATEMENT', /no root that is trusted here/)
  refusal(t, () => accept(signed(aSet(2, R1, R2), R2)), 'ERR_REACH_STATEMENT', /no root that is trusted here/)
})

test('a lower number, and the same with other content, are refused', (t) => {
  const current = accept(signed(aSet(5, R1, R2), R1))
  for (const number of [0, 1, 4, 5]) {
    refusal(t, () => accept(signed(aSet(number, R1), R1), current), 'ERR_REACH_STATEMENT', /is not above 5/)
  }
})

test('a set of another network is refused', (t) => {
  const set = { ...aSet(2, R1), domain: 'other.example' }
  refusal(t, () => accept(signed(set, R1)), 'ERR_REACH_STATEMENT', /other\.example/)
})

test('a wrong signature, and a signer that is not in the set, are refused', (t) => {
  const statement = signed(aSet(2, R1, R2), R1)
  const other = signed(aSet(2, R1), R1)
  refusal(t, () => accept({ ...statement, payload: other.payload }), 'ERR_REACH_STATEMENT', /signature/)
  refusal(t, () => accept(signed(aSet(2, R2), R1)), 'ERR_REACH_STATEMENT', /signer is not in it/)
  refusal(t, () => accept({ ...statement, signer: [] }), 'ERR_REACH_STATEMENT')
})

test('members and intermediates are no roots', async (t) => {
  const member = await aMember(first, { roles: ['admin'] })
  const { issuer } = first
  for (const by of [issuer, { certificate: member.leaf, privateKey: member.keys.privateKey }]) {
    refusal(t, () => accept(signed(aSet(2, R1, by), by)), 'ERR_REACH_STATEMENT', /is no root/)
    refusal(t, () => accept(signed(aSet(2, R1), by)), 'ERR_REACH_STATEMENT', /signer is not in it/)
  }
})

test('regression: an intermediate that signs its own key as a root does not become one', async (t) => {
  const { issuer, intermediate } = first
  const asRoot = await aCertificate({ key: issuer.privateKey, subject: intermediate, ca: {} })
  refusal(
    t,
    () => accept(signed(aSet(2, asRoot), issuer, [], intermediate)),
    'ERR_REACH_STATEMENT',
    /no root that is trusted here/,
  )
})

test('regression: an intermediate can’t cross-sign a root (path length 0 permits a last certificate that is a CA)', async (t) => {
  const evil = await aNetwork(domain)
  const marked = await crossSign(evil.root, first.issuer, NOW_MS)
  const plain = await aCertificate({
    key: evil.root.publicKey,
    subject: evil.root,
    ca: {},
    issuer: first.issuer,
  })
  for (const cross of [marked, plain.certificate]) {
    const statement = signed(aSet(2, evil.rootIssuer), evil.rootIssuer, [cross, first.intermediate])
    refusal(t, () => accept(statement), 'ERR_REACH_STATEMENT', /no root that is trusted here/)
  }
})

test('regression: nor can one without constraints, as other CAs make them', async (t) => {
  const wide = await aCertificate({ ca: {}, issuer: R1 })
  const evil = await aNetwork(domain)
  const cross = await crossSign(evil.root, wide, NOW_MS)
  const statement = signed(aSet(2, evil.rootIssuer), evil.rootIssuer, [cross, wide.certificate])
  refusal(t, () => accept(statement), 'ERR_REACH_STATEMENT', /no root that is trusted here/)
})

test('a member’s certificate that calls itself a cross-signed root is none', async (t) => {
  const fake = await aCertificate({
    key: R2.privateKey,
    uris: [CROSS_SIGNED_ROOT_URI],
    issuer: R1,
    subject: second.root,
  })
  const statement = signed(aSet(2, R2), R2, [fake.certificate])
  refusal(t, () => accept(statement), 'ERR_REACH_STATEMENT', /no root that is trusted here/)
})

test('a cross-signature that has ended leads nowhere', (t) => {
  const statement = signed(aSet(3, R2), R2, [secondByFirst])
  refusal(
    t,
    () => acceptRootSet(statement, joined(R1), secondByFirst.notAfterMs + 1000),
    'ERR_REACH_STATEMENT',
    /no root that is trusted here/,
  )
})

test('the first set is believed by the pin of the root that signed it', (t) => {
  const statement = signed(aSet(1, R1), R1)
  t.is(acceptPinnedRootSet(statement, R1.certificate.spkiSha256, NOW_MS).domain, domain)
  refusal(
    t,
    () => acceptPinnedRootSet(statement, R2.certificate.spkiSha256, NOW_MS),
    'ERR_REACH_STATEMENT',
    /not the pinned one/,
  )
})

test('a pin is of no use to a stranger that puts the pinned root beside its own', (t) => {
  for (const chain of [[], [R1.certificate], [first.intermediate, R1.certificate]]) {
    const statement = signed(aSet(1, R2, R1), R2, chain)
    refusal(t, () => acceptPinnedRootSet(statement, R1.certificate.spkiSha256, NOW_MS), 'ERR_REACH_STATEMENT')
  }
})

test('of a set with several roots the pinned one has to be the signer; of one root any CA below it may', (t) => {
  const pin = R1.certificate.spkiSha256
  const byIssuer = (set: RootSet) => signed(set, first.issuer)
  t.is(acceptPinnedRootSet(byIssuer(aSet(0, R1)), pin, NOW_MS).number, 0)
  refusal(
    t,
    () => acceptPinnedRootSet(byIssuer(aSet(1, R1, R2)), pin, NOW_MS),
    'ERR_REACH_STATEMENT',
    /not the pinned root/,
  )
  t.is(acceptPinnedRootSet(signed(aSet(1, R2, R1), R1), pin, NOW_MS).roots.length, 2)
})

test('the root to pin is the one that speaks for the set', (t) => {
  t.is(rootToPin(readStoredRootSet(signed(aSet(1, R1, R2), R2)))?.spkiSha256, R2.certificate.spkiSha256)
  t.is(rootToPin(readStoredRootSet(signed(aSet(0, R1), first.issuer)))?.spkiSha256, R1.certificate.spkiSha256)
})

test('what is signed but no set of roots is ERR_REACH_DECODE', async (t) => {
  const many = await Promise.all([1, 2, 3, 4].map(() => aNetwork(domain)))
  const five = aSet(2, R1, ...many.map(({ rootIssuer }) => rootIssuer))
  refusal(t, () => accept(signed(five, R1)), 'ERR_REACH_DECODE')
  for (const payload of ['', '[]', '{}', '{"domain":"x","number":1,"issuedAtMs":1,"roots":["AA=="]}']) {
    refusal(t, () => accept({ ...signed(aSet(2, R1), R1), payload }), 'ERR_REACH_DECODE')
  }
  refusal(t, () => accept(signed(aSet(2), R1)), 'ERR_REACH_STATEMENT', /signer is not in it/)
})
