import test from 'ava'
import { crossSign } from '../../../../lib/identity/issue/certificate-profiles.ts'
import type { Issuer } from '../../../../lib/identity/issue/sign-certificate.ts'
import { decideTrust } from '../../../../lib/identity/trust/decide-trust.ts'
import type { DenyList } from '../../../../lib/identity/trust/deny-list.ts'
import { signDenyList } from '../../../../lib/identity/trust/deny-list.ts'
import type { RootSet } from '../../../../lib/identity/trust/root-set.ts'
import { readStoredRootSet, signRootSet } from '../../../../lib/identity/trust/root-set.ts'
import type { SignedStatement } from '../../../../lib/identity/trust/statement.ts'
import { TrustStore } from '../../../../lib/identity/trust/trust-store.ts'
import { NOW_MS, aMember, aNetwork, refusal } from '../../../support/identity.ts'

const domain = 'net.example'
const network = await aNetwork(domain)
const next = await aNetwork(domain)
const { issuer, rootIssuer } = network
const cross = await crossSign(next.root, rootIssuer, NOW_MS)
const alice = await aMember(network, { name: 'alice' })

function rootSet(
  number: number,
  by: Issuer,
  roots: readonly Issuer[],
  signer = [by.certificate],
): SignedStatement {
  const set: RootSet = {
    domain,
    number,
    issuedAtMs: NOW_MS,
    roots: roots.map(({ certificate }) => certificate),
  }
  const [first = by.certificate, ...rest] = signer
  return signRootSet(set, by.privateKey, first, rest)
}

function denyList(number: number, keys: readonly string[], by = issuer): SignedStatement {
  const denied = keys.map((spkiSha256) => ({ spkiSha256, deniedAtMs: NOW_MS, reason: '' }))
  const list: DenyList = { domain, number, issuedAtMs: NOW_MS, keys: denied }
  return signDenyList(list, by.privateKey, [by.certificate])
}

function aStore(): { store: TrustStore; told: () => number } {
  const store = new TrustStore(readStoredRootSet(rootSet(1, rootIssuer, [rootIssuer])))
  let told = 0
  store.watch(() => told++)
  return { store, told: () => told }
}

test('news is told to whoever watches; the same again, and what is refused, is no news', (t) => {
  const { store, told } = aStore()
  const list = denyList(2, [alice.leaf.spkiSha256])
  t.true(store.applyDenyList(list, NOW_MS))
  t.is(told(), 1)
  t.false(store.applyDenyList(list, NOW_MS))
  refusal(t, () => store.applyDenyList(denyList(1, []), NOW_MS), 'ERR_REACH_STATEMENT')
  refusal(t, () => store.applyDenyList(denyList(2, []), NOW_MS), 'ERR_REACH_STATEMENT')
  t.is(told(), 1)
  t.deepEqual([...store.denied], [alice.leaf.spkiSha256])
  t.true(store.applyRootSet(rootSet(2, rootIssuer, [rootIssuer, next.rootIssuer]), NOW_MS))
  t.is(told(), 2)
  t.is(store.network.roots.length, 2)
})

test('a watcher that has gone hears nothing, and one that goes while it is told disturbs nobody', (t) => {
  const { store, told } = aStore()
  let heard = 0
  const stop = store.watch(() => {
    heard++
    stop()
  })
  store.applyDenyList(denyList(1, []), NOW_MS)
  store.applyDenyList(denyList(2, []), NOW_MS)
  t.is(heard, 1)
  t.is(told(), 2)
})

test('its policy decides as the network does at this moment', (t) => {
  const { store } = aStore()
  const decide = () => decideTrust(alice.chain, store.policy({ name: 'alice' }), NOW_MS)
  const before = decide()
  t.is(before.kind, 'trusted')
  if (before.kind === 'trusted') t.true(store.stillTrusts(before.identity))
  store.applyDenyList(denyList(1, [network.intermediate.spkiSha256], rootIssuer), NOW_MS)
  const after = decide()
  t.is(after.kind === 'refused' ? after.code : after.kind, 'ERR_REACH_TRUST_REVOKED')
  if (before.kind === 'trusted')
    t.false(store.stillTrusts(before.identity), 'an intermediate above it is denied')
})

test('a member that was asleep follows the new root, and then knows the old one no more', (t) => {
  const { store } = aStore()
  t.true(store.applyRootSet(rootSet(3, next.rootIssuer, [next.rootIssuer], [next.root, cross]), NOW_MS))
  refusal(t, () => store.applyRootSet(rootSet(4, rootIssuer, [rootIssuer]), NOW_MS), 'ERR_REACH_STATEMENT')
  const decision = decideTrust(alice.chain, store.policy(), NOW_MS)
  t.is(decision.kind === 'refused' ? decision.code : decision.kind, 'ERR_REACH_TRUST_UNKNOWN_ISSUER')
})

test('regression: a root that is denied can’t choose its successors, itself or by a cross-signature', async (t) => {
  const evil = await aNetwork(domain)
  const crossToEvil = await crossSign(evil.root, rootIssuer, NOW_MS)
  const { store } = aStore()
  t.true(store.applyRootSet(rootSet(2, rootIssuer, [rootIssuer, next.rootIssuer]), NOW_MS))
  t.true(store.applyDenyList(denyList(1, [network.root.spkiSha256], next.issuer), NOW_MS))
  for (const statement of [
    rootSet(3, rootIssuer, [rootIssuer, evil.rootIssuer]),
    rootSet(3, evil.rootIssuer, [evil.rootIssuer], [evil.root, crossToEvil]),
  ]) {
    refusal(t, () => store.applyRootSet(statement, NOW_MS), 'ERR_REACH_STATEMENT', /vouches/)
  }
  t.true(
    store.applyRootSet(rootSet(3, next.rootIssuer, [next.rootIssuer]), NOW_MS),
    'the other root still can',
  )
})
