import test from 'ava'
import fc from 'fast-check'
import type { Certificate } from '../../../../lib/identity/certificate/certificate.ts'
import type { ChainOutcome } from '../../../../lib/identity/certificate/verify-chain.ts'
import { verifyChain } from '../../../../lib/identity/certificate/verify-chain.ts'
import { crossSign } from '../../../../lib/identity/issue/certificate-profiles.ts'
import type { Issuer } from '../../../../lib/identity/issue/sign-certificate.ts'
import type { CertificateOptions } from '../../../support/identity.ts'
import {
  DAY_MS,
  HOUR_MS,
  NOW_MS,
  aCertificate,
  aMember,
  aNetwork,
  der,
  memberNames,
  newKey,
  withIntermediate,
} from '../../../support/identity.ts'

const network = await aNetwork()
const { root, rootIssuer, intermediate, issuer } = network
const alice = await aMember(network)

const verify = (
  chain: readonly Certificate[],
  roots: readonly Certificate[] = [root],
  nowMs = NOW_MS,
): ChainOutcome => {
  const [leaf = root, ...above] = chain
  return verifyChain(leaf, above, roots, nowMs)
}
const verdict = (outcome: ChainOutcome) => (outcome.kind === 'valid' ? outcome.kind : outcome.problem)

/** CAs below one another, the last one last; each as the options say. */
async function ladder(top: Issuer, ...steps: readonly CertificateOptions[]): Promise<readonly Issuer[]> {
  const all = [top]
  for (const step of steps) all.push(await aCertificate({ issuer: all.at(-1) ?? top, ...step }))
  return all
}

const certificates = (issuers: readonly Issuer[]) =>
  issuers.map(({ certificate }) => certificate).toReversed()

test('a member, its intermediate and the root are a path, in that order', (t) => {
  const outcome = verify(alice.chain)
  t.deepEqual(outcome.kind === 'valid' ? outcome.path : [], [alice.leaf, intermediate, root])
})

test('strange certificates among them, another order, and the root itself do no harm', async (t) => {
  const stranger = await aNetwork()
  const above = [stranger.root, root, stranger.intermediate, intermediate]
  const outcome = verify([alice.leaf, ...above])
  t.deepEqual(outcome.kind === 'valid' ? outcome.path : [], [alice.leaf, intermediate, root])
})

test('unknown-issuer: without the intermediate, without roots, and below another root', async (t) => {
  const other = await aNetwork()
  t.is(verdict(verify([alice.leaf])), 'unknown-issuer')
  t.is(verdict(verify(alice.chain, [])), 'unknown-issuer')
  t.is(verdict(verify([...alice.chain, root], [other.root])), 'unknown-issuer')
})

test('a root does not vouch for itself as a leaf', (t) => {
  t.is(verdict(verify([root])), 'unknown-issuer')
})

test('bad-signature: a namesake of the issuer did not sign it', async (t) => {
  const namesake = await aCertificate({ subject: intermediate, ca: {}, issuer: rootIssuer })
  const outcome = verify([alice.leaf, namesake.certificate])
  t.is(verdict(outcome), 'bad-signature')
  const rootNamesake = await aCertificate({ subject: root, ca: {} })
  t.is(verdict(verify(alice.chain, [rootNamesake.certificate])), 'bad-signature')
})

for (const [what, nowMs, problem] of [
  ['the second it begins', alice.leaf.notBeforeMs, 'valid'],
  ['just before', alice.leaf.notBeforeMs - 1, 'not-yet-valid'],
  ['the second it ends', alice.leaf.notAfterMs, 'valid'],
  ['just after', alice.leaf.notAfterMs + 1, 'expired'],
] as const) {
  test(`dates: ${what} a leaf is ${problem} (RFC 5280 §4.1.2.5)`, (t) => {
    t.is(verdict(verify(alice.chain, [root], nowMs)), problem)
  })
}

test('expired and not-yet-valid hold for intermediates and roots, too, and say which', async (t) => {
  const short = await aCertificate({ ca: {}, issuer: rootIssuer, notAfterMs: NOW_MS - HOUR_MS })
  const leaf = await aCertificate({ issuer: short })
  const outcome = verify([leaf.certificate, short.certificate])
  t.is(verdict(outcome), 'expired')
  t.is(outcome.kind === 'invalid' ? outcome.certificate : undefined, short.certificate)
  const young = await aCertificate({ ca: {}, notBeforeMs: NOW_MS + HOUR_MS })
  const below = await aCertificate({ issuer: young })
  t.is(verdict(verify([below.certificate], [young.certificate])), 'not-yet-valid')
})

test('not-a-ca: a leaf, and a CA whose key may not sign certificates, sign nothing', async (t) => {
  const byLeaf = await aCertificate({
    issuer: { certificate: alice.leaf, privateKey: alice.keys.privateKey },
  })
  t.is(verdict(verify([byLeaf.certificate, ...alice.chain])), 'not-a-ca')
  const listsOnly = await aCertificate({ ca: {}, keyUsage: ['cRLSign'], issuer: rootIssuer })
  const below = await aCertificate({ issuer: listsOnly })
  t.is(verdict(verify([below.certificate, listsOnly.certificate])), 'not-a-ca')
  const noUsage = await aCertificate({ ca: {}, keyUsage: false, issuer: rootIssuer })
  const fine = await aCertificate({ issuer: noUsage })
  t.is(
    verdict(verify([fine.certificate, noUsage.certificate])),
    'valid',
    'no key usage, no bounds (RFC 5280 §4.2.1.3)',
  )
})

test('too-long: no CA below one of path length 0, one below 1 (RFC 5280 §4.2.1.9)', async (t) => {
  for (const [pathLength, expected] of [
    [0, 'too-long'],
    [1, 'valid'],
    [undefined, 'valid'],
  ] as const) {
    const ca = pathLength === undefined ? {} : { pathLength }
    const steps = await ladder(rootIssuer, { ca }, { ca: {} }, {})
    t.is(verdict(verify(certificates(steps.slice(1)))), expected, String(pathLength))
  }
})

test('a self-issued intermediate does not count for path lengths (RFC 5280 §6.1.4 (l))', async (t) => {
  const top = await aCertificate({ ca: { pathLength: 0 }, issuer: rootIssuer })
  const again = await aCertificate({ ca: {}, subject: top.certificate, issuer: top })
  const leaf = await aCertificate({ issuer: again })
  t.is(verdict(verify([leaf.certificate, again.certificate, top.certificate])), 'valid')
})

test('too-long: more certificates than anybody needs, and a path just short enough', async (t) => {
  const steps = await ladder(rootIssuer, { ca: {} }, { ca: {} }, { ca: {} }, { ca: {} }, { ca: {} })
  const below = async (depth: number) => {
    const leaf = await aCertificate({ issuer: steps[depth] ?? rootIssuer })
    return verdict(verify([leaf.certificate, ...certificates(steps.slice(1, depth + 1))]))
  }
  t.is(await below(4), 'valid')
  t.is(await below(5), 'too-long')
})

test('name-constraint: what is below a CA keeps within its bounds, over intermediates as well', async (t) => {
  const bad = await aCertificate({ ...memberNames('alice', 'elsewhere.example'), issuer })
  const outcome = verify([bad.certificate, intermediate])
  t.is(verdict(outcome), 'name-constraint')
  t.is(outcome.kind === 'invalid' ? outcome.detail : '', 'alice.elsewhere.example')
  const constrained = await aCertificate({
    ca: {},
    issuer: rootIssuer,
    extensions: (x509) => [permitted(x509, 'net.example')],
  })
  const middle = await aCertificate({ ca: {}, issuer: constrained })
  for (const [dns, expected] of [
    ['a.net.example', 'valid'],
    ['a.example', 'name-constraint'],
  ] as const) {
    const leaf = await aCertificate({ dns: [dns], issuer: middle })
    t.is(verdict(verify([leaf.certificate, middle.certificate, constrained.certificate])), expected)
  }
})

test('name-constraint: constraints of several CAs all count, those of a root too', async (t) => {
  const top = await aCertificate({ ca: {}, extensions: (x509) => [permitted(x509, 'example')] })
  const middle = await aCertificate({ ca: {}, issuer: top, extensions: (x509) => [permitted(x509, 'org')] })
  const leaf = await aCertificate({ dns: ['a.org'], issuer: middle })
  t.is(verdict(verify([leaf.certificate, middle.certificate], [top.certificate])), 'name-constraint')
  const other = await aCertificate({ dns: ['a.example'], issuer: middle })
  t.is(verdict(verify([other.certificate, middle.certificate], [top.certificate])), 'name-constraint')
})

function permitted(x509: Parameters<NonNullable<CertificateOptions['extensions']>>[0], tree: string) {
  const value = der(0x30, der(0xa0, der(0x30, der(0x82, Buffer.from(tree)))))
  return new x509.Extension('2.5.29.30', true, Uint8Array.from(value))
}

test('critical-extension: one that is not understood refuses, wherever in the path', async (t) => {
  const strange: CertificateOptions = {
    extensions: (x509) => [new x509.Extension('1.2.3.4', true, Uint8Array.of(5, 0))],
  }
  const leaf = await aCertificate({ issuer, ...memberNames('a', 'net.example'), ...strange })
  t.is(verdict(verify([leaf.certificate, intermediate])), 'critical-extension')
  const top = await aCertificate({ ca: {}, ...strange })
  const below = await aCertificate({ issuer: top })
  t.is(verdict(verify([below.certificate], [top.certificate])), 'critical-extension')
})

test('roots of any type of key, and mixed ones', async (t) => {
  for (const [top, middle] of [
    ['P-256', 'RSA-2048'],
    ['P-384', 'ed25519'],
    ['RSA-2048', 'P-256'],
  ] as const) {
    const steps = await ladder(
      await aCertificate({ ca: {}, key: newKey(top) }),
      { ca: {}, key: newKey(middle) },
      {},
    )
    t.is(verdict(verify(certificates(steps.slice(1)), certificates(steps.slice(0, 1)))), 'valid')
  }
})

test('a cross-signed root leads to the old root, and is not needed by who trusts the new one', async (t) => {
  const next = await aNetwork()
  const cross = await crossSign(next.root, rootIssuer, NOW_MS)
  const bob = await aMember(next, { above: [next.intermediate, cross] })
  t.is(verdict(verify(bob.chain, [root])), 'valid')
  t.is(verdict(verify(bob.chain, [next.root])), 'valid')
  t.is(verdict(verify(bob.chain, [root, next.root])), 'valid')
})

test('regression: of two certificates of one CA the one that leads to a root counts, in any order', async (t) => {
  const [first, second, third] = [await aNetwork(), await aNetwork(), await aNetwork()]
  const dead = await crossSign(third.root, second.rootIssuer, NOW_MS)
  const good = await crossSign(third.root, first.rootIssuer, NOW_MS)
  const bob = await aMember(third)
  for (const cross of [
    [dead, good],
    [good, dead],
  ]) {
    t.is(verdict(verify([...bob.chain, ...cross], [first.root])), 'valid')
    t.is(verdict(verify([...bob.chain, ...cross], [second.root])), 'valid')
  }
})

test('regression: an expired certificate of a CA does not hide its renewed one', async (t) => {
  const key = newKey('ed25519')
  const old = await aCertificate({ key, ca: {}, issuer: rootIssuer, notAfterMs: NOW_MS - HOUR_MS })
  const renewed = await aCertificate({ key, subject: old.certificate, ca: {}, issuer: rootIssuer })
  const leaf = await aCertificate({ issuer: renewed })
  t.is(verdict(verify([leaf.certificate, old.certificate, renewed.certificate])), 'valid')
  t.is(verdict(verify([leaf.certificate, old.certificate])), 'expired')
})

test('certificates that sign each other in a circle come to an end', async (t) => {
  const [a, b] = [newKey('ed25519'), newKey('ed25519')]
  const selfA = await aCertificate({ key: a, ca: {} })
  const selfB = await aCertificate({ key: b, ca: {} })
  const aByB = await aCertificate({ key: a, subject: selfA.certificate, ca: {}, issuer: selfB })
  const bByA = await aCertificate({ key: b, subject: selfB.certificate, ca: {}, issuer: selfA })
  const leaf = await aCertificate({ issuer: selfA })
  const circle = [aByB.certificate, bByA.certificate, selfA.certificate, selfB.certificate]
  t.is(verdict(verify([leaf.certificate, ...circle])), 'unknown-issuer')
  t.is(verdict(verify([leaf.certificate, ...circle], [selfB.certificate])), 'valid')
})

test('many certificates that all sign each other come to an end', async (t) => {
  const key = newKey('ed25519')
  const first = await aCertificate({ key, ca: {} })
  const same = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7].map((day) =>
      aCertificate({ key, subject: first.certificate, ca: {}, notAfterMs: NOW_MS + day * DAY_MS }),
    ),
  )
  const leaf = await aCertificate({ issuer: first })
  const outcome = verify([leaf.certificate, first.certificate, ...certificates(same)])
  t.is(outcome.kind, 'invalid')
  t.true(['too-long', 'unknown-issuer'].includes(verdict(outcome)))
})

test('of more certificates than a stranger may show, the first ones are looked at', async (t) => {
  const noise = await Promise.all(Array.from({ length: 8 }, async () => (await aCertificate()).certificate))
  t.is(verdict(verify([alice.leaf, ...noise.slice(1), intermediate])), 'valid')
  t.is(verdict(verify([alice.leaf, ...noise, intermediate])), 'unknown-issuer')
})

test('a path that is called valid is one: each signed by the next, the last a root', async (t) => {
  const sister = await withIntermediate('sister.example', rootIssuer)
  const other = await aNetwork()
  const pool = [
    ...alice.chain,
    root,
    ...(await aMember(sister, { name: 'bob' })).chain,
    ...(await aMember(other)).chain,
    other.root,
    await crossSign(other.root, rootIssuer, NOW_MS),
    await crossSign(root, other.rootIssuer, NOW_MS),
  ]
  let valid = 0
  fc.assert(
    fc.property(
      fc.shuffledSubarray(pool, { minLength: 1 }),
      fc.subarray([root, other.root]),
      (chain, roots) => {
        const outcome = verify(chain, roots)
        if (outcome.kind === 'invalid') return
        valid++
        t.is(outcome.path[0], chain[0])
        t.true(roots.some((one) => one === outcome.path.at(-1)))
        outcome.path.slice(1).forEach((above, index) => {
          t.true(outcome.path[index]?.isIssuedBy(above))
          t.true(above.extensions.basicConstraints.isCa)
        })
        t.is(new Set(outcome.path).size, outcome.path.length)
      },
    ),
    { numRuns: 300 },
  )
  t.true(valid > 20, String(valid))
})
