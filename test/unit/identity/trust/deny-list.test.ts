import test from 'ava'
import type { AcceptedDenyList, DenyList } from '../../../../lib/identity/trust/deny-list.ts'
import { acceptDenyList, isSameDenyList, signDenyList } from '../../../../lib/identity/trust/deny-list.ts'
import type { Issuer } from '../../../../lib/identity/issue/sign-certificate.ts'
import { crossSign } from '../../../../lib/identity/issue/certificate-profiles.ts'
import type { SignedStatement } from '../../../../lib/identity/trust/statement.ts'
import { signStatement } from '../../../../lib/identity/trust/statement.ts'
import {
  DAY_MS,
  HOUR_MS,
  NOW_MS,
  aCertificate,
  aNetwork,
  newKey,
  refusal,
  withIntermediate,
} from '../../../support/identity.ts'

const network = await aNetwork()
const { domain, root, rootIssuer, issuer } = network
const trust = { domain, roots: [root] }
const [ALICE, BOB] = ['a1'.repeat(32), 'b2'.repeat(32)] as const

function aList(number: number, keys: readonly string[] = [ALICE], over: Partial<DenyList> = {}): DenyList {
  const denied = keys.map((spkiSha256) => ({ spkiSha256, deniedAtMs: NOW_MS, reason: 'stolen' }))
  return { domain, number, issuedAtMs: NOW_MS, keys: denied, ...over }
}

function signed(list: DenyList, by: Issuer = issuer, chain = [by.certificate]): SignedStatement {
  return signDenyList(list, by.privateKey, chain)
}

function accept(statement: SignedStatement, current?: AcceptedDenyList): AcceptedDenyList {
  return acceptDenyList(statement, trust, current, NOW_MS)
}

test('a list of the issuing CA is believed, and says which keys are denied', (t) => {
  const list = accept(signed(aList(1, [ALICE, BOB])))
  t.deepEqual([...list.denied], [ALICE, BOB])
  t.is(list.number, 1)
  t.is(list.keys[0]?.reason, 'stolen')
})

test('a list with a lower number, or with the same and other content, is refused', (t) => {
  const current = accept(signed(aList(5)))
  for (const list of [aList(4), aList(5, [BOB]), aList(0, [])]) {
    refusal(t, () => accept(signed(list), current), 'ERR_REACH_STATEMENT', /is not above 5/)
  }
  t.is(accept(signed(aList(6, [])), current).denied.size, 0)
})

test('the same list again is the same, and another is not', (t) => {
  const statement = signed(aList(5))
  const current = accept(statement)
  t.true(isSameDenyList(statement, current))
  t.false(isSameDenyList(signed(aList(6)), current))
  t.false(isSameDenyList(statement, undefined))
})

test('a list of another network is refused, also when the same root carries both', async (t) => {
  const sister = await withIntermediate('other.example', rootIssuer)
  const statement = signed(aList(1, [ALICE], { domain: 'other.example' }), sister.issuer)
  refusal(t, () => accept(statement), 'ERR_REACH_STATEMENT', /is of the network other\.example/)
})

test('the list of a younger signer replaces one of an older signer with a higher number, and not the other way round', async (t) => {
  const younger = await withIntermediate(domain, rootIssuer, NOW_MS - HOUR_MS)
  const old = accept(signed(aList(1_000_000)))
  const replaced = accept(signed(aList(1, [BOB]), younger.issuer), old)
  t.true(replaced.denied.has(BOB))
  refusal(t, () => accept(signed(aList(2_000_000)), replaced), 'ERR_REACH_STATEMENT', /is not above/)
})

test('a signer whose key the current list denies is believed no more', (t) => {
  const current = accept(signed(aList(1, [network.intermediate.spkiSha256]), rootIssuer))
  refusal(t, () => accept(signed(aList(2)), current), 'ERR_REACH_STATEMENT', /revoked/)
})

test('regression: nor is a signer below a key that the current list denies', async (t) => {
  const stolen = await aCertificate({ ca: {}, issuer: rootIssuer })
  const below = await aCertificate({ ca: {}, issuer: stolen, notBeforeMs: NOW_MS - HOUR_MS })
  const chain = [below.certificate, stolen.certificate]
  t.is(accept(signed(aList(1), below, chain)).number, 1, 'it is a signer as long as nothing is denied')
  const current = accept(signed(aList(1, [stolen.certificate.spkiSha256])))
  refusal(t, () => accept(signed(aList(2), below, chain), current), 'ERR_REACH_STATEMENT', /revoked/)
  const rootless = accept(signed(aList(1, [root.spkiSha256])))
  refusal(t, () => accept(signed(aList(9), rootIssuer), rootless), 'ERR_REACH_STATEMENT', /revoked/)
})

test('regression: an old list of a root does not come back under a forged certificate that begins later', async (t) => {
  const old = signed(aList(1, []), rootIssuer)
  const current = accept(signed(aList(2, [ALICE]), rootIssuer))
  const forged = await aCertificate({
    key: root.publicKey,
    subject: root,
    issuer: { certificate: root, privateKey: newKey('ed25519') },
    ca: {},
    notBeforeMs: NOW_MS + DAY_MS,
  })
  refusal(t, () => accept({ ...old, signer: [forged.certificate] }, current), 'ERR_REACH_STATEMENT')
})

test('regression: an old list does not come back under a younger certificate of the same key', async (t) => {
  const next = await aNetwork(domain)
  const [crossEarly, crossLate] = [
    await crossSign(next.root, rootIssuer, NOW_MS - DAY_MS),
    await crossSign(next.root, rootIssuer, NOW_MS),
  ]
  const old = signed(aList(1, []), next.rootIssuer, [crossEarly])
  const current = accept(signed(aList(2, [ALICE]), next.rootIssuer, [crossEarly]))
  refusal(t, () => accept({ ...old, signer: [crossLate] }, current), 'ERR_REACH_STATEMENT', /is not above 2/)
})

test('what is signed but no deny list is ERR_REACH_DECODE', (t) => {
  const good: Readonly<Record<string, unknown>> = { domain, number: 1, issuedAtMs: 1, keys: [] }
  const key = { spkiSha256: ALICE, deniedAtMs: 1, reason: '' }
  const payloads: readonly unknown[] = [
    [],
    'x',
    { ...good, number: -1 },
    { ...good, number: 1.5 },
    { ...good, domain: 7 },
    { ...good, keys: 'x' },
    { ...good, keys: [{ ...key, spkiSha256: ALICE.toUpperCase() }] },
    { ...good, keys: [{ ...key, spkiSha256: ALICE.slice(2) }] },
    { ...good, keys: [{ ...key, reason: 'x'.repeat(1025) }] },
    { ...good, keys: Array.from({ length: 10_001 }, () => key) },
  ]
  const state = (payload: unknown) =>
    signStatement('deny-list', JSON.stringify(payload), issuer.privateKey, [issuer.certificate])
  t.is(accept(state(good)).number, 1)
  for (const payload of payloads) refusal(t, () => accept(state(payload)), 'ERR_REACH_DECODE')
})
