import test from 'ava'
import fc from 'fast-check'
import type { PeerId } from '../../../../lib/base/peer-id.ts'
import { Certificate } from '../../../../lib/identity/certificate/certificate.ts'
import { selfSignedCertificate } from '../../../../lib/identity/issue/certificate-profiles.ts'
import { generateKeyPair } from '../../../../lib/identity/keys/key-pair.ts'
import { decideTrust } from '../../../../lib/identity/trust/decide-trust.ts'
import type {
  PresentedChain,
  TrustDecision,
  TrustPolicy,
  TrustRefusal,
} from '../../../../lib/identity/trust/trust-policy.ts'
import type { CertificateOptions } from '../../../support/identity.ts'
import {
  DAY_MS,
  HOUR_MS,
  NOW_MS,
  aCertificate,
  aMember,
  aNetwork,
  memberNames,
  newKey,
  withIntermediate,
} from '../../../support/identity.ts'

/* The network that is asked about; a sister below the same root; one of other people; one that only has the same name. */
const ours = await aNetwork('net.example')
const sister = await withIntermediate('sister.example', ours.rootIssuer)
const foreign = await aNetwork('foreign.example')
const namesake = await aNetwork('net.example')
const stranger = generateKeyPair()
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

/** Whoever knocks, and what is known of it from how it was made. */
interface Visitor {
  readonly title: string
  readonly chain: PresentedChain
  /** What a network with our root finds wrong with the chain itself. */
  readonly chainFault?: TrustRefusal
  /** What it finds wrong with what the chain vouches for, once it holds. */
  readonly claimFault?: TrustRefusal
}

/** A leaf of our issuing CA that is not as it should be. */
async function odd(
  options: CertificateOptions,
  above = [ours.intermediate],
  issuer = ours.issuer,
): Promise<PresentedChain> {
  const { certificate } = await aCertificate({ ...memberNames('alice', 'net.example'), issuer, ...options })
  return [certificate, ...above]
}

function withBrokenSignature([leaf, ...above]: PresentedChain): PresentedChain {
  if (leaf === undefined) throw new RangeError('nothing to break')
  const bytes = Uint8Array.from(leaf.der)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return [Certificate.decode(bytes), ...above]
}

async function visitors(): Promise<readonly Visitor[]> {
  const good = await aMember(ours)
  const mailOnly = await aCertificate({ ca: {}, issuer: ours.rootIssuer, purposes: ['1.3.6.1.5.5.7.3.4'] })
  const expired = { issuedAtMs: NOW_MS - 30 * HOUR_MS }
  const early = { issuedAtMs: NOW_MS + HOUR_MS }
  return [
    { title: 'nobody', chain: [] },
    { title: 'a member', chain: good.chain },
    { title: 'a member that also shows the root', chain: [...good.chain, ours.root] },
    {
      title: 'a stranger’s self-signed certificate',
      chain: [await selfSignedCertificate(stranger, NOW_MS)],
      chainFault: 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
    },
    {
      title: 'a stranger that signed itself as a member',
      chain: [(await aCertificate(memberNames('alice', 'net.example'))).certificate],
      chainFault: 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
    },
    {
      title: 'a member that left its issuer out',
      chain: [good.leaf],
      chainFault: 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
    },
    {
      title: 'an expired member',
      chain: (await aMember(ours, expired)).chain,
      chainFault: 'ERR_REACH_TRUST_EXPIRED',
    },
    {
      title: 'a member of tomorrow',
      chain: (await aMember(ours, early)).chain,
      chainFault: 'ERR_REACH_TRUST_NOT_YET_VALID',
    },
    {
      title: 'a member of another network below the same root',
      chain: (await aMember(sister)).chain,
      claimFault: 'ERR_REACH_TRUST_OTHER_NETWORK',
    },
    {
      title: 'a member of another network',
      chain: (await aMember(foreign)).chain,
      chainFault: 'ERR_REACH_TRUST_OTHER_NETWORK',
    },
    {
      title: 'a member of another network with the same name',
      chain: (await aMember(namesake)).chain,
      chainFault: 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
    },
    {
      title: 'a name of our network from the other issuing CA below our root',
      chain: (await aMember(sister, { domain: 'net.example' })).chain,
      chainFault: 'ERR_REACH_TRUST_NAME_CONSTRAINT',
    },
    {
      title: 'a name outside of what our issuing CA may give',
      chain: await odd(memberNames('alice', 'elsewhere.example')),
      chainFault: 'ERR_REACH_TRUST_NAME_CONSTRAINT',
    },
    {
      title: 'a broken signature',
      chain: withBrokenSignature(good.chain),
      chainFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a leaf of a leaf',
      chain: await odd({}, [...good.chain], { certificate: good.leaf, privateKey: good.keys.privateKey }),
      chainFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a certificate for servers alone',
      chain: await odd({ purposes: [SERVER_AUTH] }),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a certificate without purposes',
      chain: await odd({ purposes: false }),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a CA in the place of a member',
      chain: await odd({ ca: {}, purposes: [SERVER_AUTH, '1.3.6.1.5.5.7.3.2'] }),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a key of another type',
      chain: await odd({ key: newKey('P-256') }),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
    { title: 'no claim', chain: await odd({ uris: [] }), claimFault: 'ERR_REACH_TRUST_CHAIN' },
    {
      title: 'a claim of two names',
      chain: await odd({ uris: ['p2p-reach://alice.net.example/peer', 'p2p-reach://bob.net.example/admin'] }),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a claim without its DNS name',
      chain: await odd({ dns: [] }),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
    {
      title: 'a member below a CA for mail',
      chain: await odd({}, [mailOnly.certificate], mailOnly),
      claimFault: 'ERR_REACH_TRUST_CHAIN',
    },
  ]
}

/** What the other side is asked for. */
interface Question {
  readonly dialled: 'nothing' | 'its key' | 'another key'
  readonly pinned: 'nothing' | 'its key' | 'another key'
  readonly network: boolean
  readonly name: undefined | 'alice' | 'bob'
  readonly role: undefined | 'peer' | 'admin'
  readonly denied: 'nobody' | 'its key' | 'our issuing key' | 'our root key'
}

function questions(): readonly Question[] {
  const all: Question[] = []
  for (const dialled of ['nothing', 'its key', 'another key'] as const)
    for (const pinned of ['nothing', 'its key', 'another key'] as const)
      for (const network of [true, false])
        for (const name of [undefined, 'alice', 'bob'] as const)
          for (const role of [undefined, 'peer', 'admin'] as const)
            for (const denied of ['nobody', 'its key', 'our issuing key', 'our root key'] as const)
              all.push({ dialled, pinned, network, name, role, denied })
  return all
}

const another = generateKeyPair().peerId

function policyFor({ chain: [leaf] }: Visitor, question: Question): TrustPolicy {
  const keyFor = (which: Question['dialled']): PeerId | undefined =>
    which === 'its key' ? leaf?.peerId : which === 'another key' ? another : undefined
  const [peerId, pinned] = [keyFor(question.dialled), keyFor(question.pinned)]
  const { name, role } = question
  return {
    ...(peerId === undefined ? {} : { peerId }),
    ...(pinned === undefined ? {} : { pinned: new Set([pinned]) }),
    ...(question.network ? { network: { domain: 'net.example', roots: [ours.root] } } : {}),
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role }),
    denied: new Set(deniedKeys(leaf, question)),
  }
}

function deniedKeys(leaf: Certificate | undefined, { denied }: Question): readonly string[] {
  switch (denied) {
    case 'nobody':
      return []
    case 'its key':
      return leaf === undefined ? [] : [leaf.spkiSha256]
    case 'our issuing key':
      return [ours.intermediate.spkiSha256]
    case 'our root key':
      return [ours.root.spkiSha256]
  }
}

/** The rules, in words. */
function ruling(visitor: Visitor, question: Question): TrustRefusal | 'by key' | 'by network' {
  const [leaf] = visitor.chain
  const hasPeerKey = leaf?.peerId !== undefined
  const asksMoreThanAKey = question.name !== undefined || question.role !== undefined
  if (leaf === undefined) return 'ERR_REACH_TRUST_NO_CERTIFICATE'
  if (question.denied === 'its key') return 'ERR_REACH_TRUST_REVOKED'
  if (question.dialled === 'another key') return 'ERR_REACH_TRUST_WRONG_KEY'
  const network = rulingOfNetwork(visitor, question)
  if (network === 'by network') return network
  const isNamed = hasPeerKey && (question.dialled === 'its key' || question.pinned === 'its key')
  return isNamed && !asksMoreThanAKey ? 'by key' : network
}

function rulingOfNetwork(visitor: Visitor, question: Question): TrustRefusal | 'by network' {
  if (!question.network) return 'ERR_REACH_TRUST_UNKNOWN_ISSUER'
  if (visitor.chainFault !== undefined) return visitor.chainFault
  const isBelowIssuing = visitor.chain.includes(ours.intermediate)
  if (question.denied === 'our root key') return 'ERR_REACH_TRUST_REVOKED'
  if (question.denied === 'our issuing key' && isBelowIssuing) return 'ERR_REACH_TRUST_REVOKED'
  if (visitor.claimFault !== undefined) return visitor.claimFault
  if (question.name === 'bob') return 'ERR_REACH_TRUST_WRONG_NAME'
  if (question.role === 'admin') return 'ERR_REACH_TRUST_ROLE'
  return 'by network'
}

function outcomeOf(decision: TrustDecision): TrustRefusal | 'by key' | 'by network' {
  return decision.kind === 'refused' ? decision.code : `by ${decision.identity.by}`
}

for (const visitor of await visitors()) {
  test(`${visitor.title}: every question is answered as the rules say`, (t) => {
    const seen = new Set<string>()
    for (const question of questions()) {
      const decision = decideTrust(visitor.chain, policyFor(visitor, question), NOW_MS)
      const expected = ruling(visitor, question)
      if (outcomeOf(decision) !== expected) {
        t.is(outcomeOf(decision), expected, JSON.stringify(question))
        return
      }
      if (decision.kind === 'trusted') {
        const { by, name, roles, peerId, keys } = decision.identity
        t.is(peerId, visitor.chain[0]?.peerId ?? another)
        t.is(name, by === 'network' ? 'alice' : undefined)
        t.deepEqual(roles, by === 'network' ? ['peer'] : [])
        t.is(keys[0], visitor.chain[0]?.spkiSha256)
      }
      seen.add(expected)
    }
    t.true(seen.size > 0)
  })
}

test('the identity names all keys of the path, so that denying any of them denies the peer', async (t) => {
  const { chain } = await aMember(ours)
  const decision = decideTrust(chain, { network: { domain: 'net.example', roots: [ours.root] } }, NOW_MS)
  const path = [...chain, ours.root].map(({ spkiSha256 }) => spkiSha256)
  t.deepEqual(decision.kind === 'trusted' ? decision.identity.keys : [], path)
})

test('a peer may have several roles; each is held', async (t) => {
  const { chain } = await aMember(ours, { roles: ['peer', 'admin'] })
  for (const role of ['peer', 'admin', 'relay'] as const) {
    const decision = decideTrust(
      chain,
      { network: { domain: 'net.example', roots: [ours.root] }, role },
      NOW_MS,
    )
    t.is(outcomeOf(decision), role === 'relay' ? 'ERR_REACH_TRUST_ROLE' : 'by network')
  }
})

test('refusals say for people what is wrong', async (t) => {
  const rows: readonly (readonly [PresentedChain, Partial<TrustPolicy>, RegExp])[] = [
    [(await aMember(ours)).chain, { name: 'bob' }, /^its name is alice, not bob$/],
    [(await aMember(ours)).chain, { role: 'admin' }, /^alice has the role peer, not admin$/],
    [(await aMember(ours, { issuedAtMs: NOW_MS - 2 * DAY_MS })).chain, {}, /expired \(since 2023-11-13T/],
    [(await aMember(foreign)).chain, {}, /^it belongs to the network foreign\.example, not net\.example$/],
    [await odd(memberNames('alice', 'elsewhere.example')), {}, /\(alice\.elsewhere\.example\)$/],
    [(await aMember(ours)).chain, { peerId: another }, /^its key is .{8}, not .{8}$/],
  ]
  for (const [chain, policy, message] of rows) {
    const decision = decideTrust(
      chain,
      { network: { domain: 'net.example', roots: [ours.root] }, ...policy },
      NOW_MS,
    )
    t.regex(decision.kind === 'refused' ? decision.message : 'trusted', message)
  }
})

test('nothing is ever trusted that no rule allows: any certificates in any order, any question', async (t) => {
  const [alice, bob] = [
    await aMember(ours, { name: 'alice' }),
    await aMember(ours, { name: 'bob', roles: ['admin'] }),
  ]
  const everybody = (await visitors()).flatMap(({ chain }) => chain)
  const pool = [...new Set([...everybody, ...alice.chain, ...bob.chain, foreign.root, namesake.root])]
  const members = new Map([
    [alice.leaf, { name: 'alice', role: 'peer' }],
    [bob.leaf, { name: 'bob', role: 'admin' }],
    ...pool
      .filter((one) => one.subject === 'CN=alice')
      .map((one) => [one, { name: 'alice', role: 'peer' }] as const),
  ])
  const peerIds = pool.flatMap(({ peerId }) => (peerId === undefined ? [] : [peerId]))
  const keys = pool.map(({ spkiSha256 }) => spkiSha256)
  const question = fc.record({
    chain: fc.shuffledSubarray(pool, { maxLength: 6 }),
    dialled: fc.option(fc.constantFrom(...peerIds), { nil: undefined }),
    pinned: fc.subarray(peerIds, { maxLength: 3 }),
    roots: fc.subarray([ours.root, foreign.root, namesake.root]),
    hasNetwork: fc.boolean(),
    name: fc.constantFrom(undefined, 'alice', 'bob'),
    role: fc.constantFrom(undefined, 'peer' as const, 'admin' as const),
    denied: fc.subarray(keys, { maxLength: 3 }),
    // Chains that hold are rare among random ones.
    first: fc.option(fc.constantFrom(alice.chain, bob.chain), { nil: undefined }),
  })
  const trusted = { key: 0, network: 0 }
  fc.assert(
    fc.property(
      question,
      ({ chain: rest, first = [], dialled, pinned, roots, hasNetwork, name, role, denied }) => {
        const chain = [...first, ...rest]
        const network = { domain: 'net.example', roots }
        const policy: TrustPolicy = {
          pinned: new Set(pinned),
          denied: new Set(denied),
          ...(hasNetwork ? { network } : {}),
          ...(dialled === undefined ? {} : { peerId: dialled }),
          ...(name === undefined ? {} : { name }),
          ...(role === undefined ? {} : { role }),
        }
        const decision = decideTrust(chain, policy, NOW_MS)
        if (decision.kind === 'refused') return
        const { identity } = decision
        const [leaf] = chain
        trusted[identity.by]++
        t.is(identity.peerId, leaf?.peerId ?? another)
        t.false(identity.keys.some((key) => denied.includes(key)))
        t.true(dialled === undefined || dialled === identity.peerId)
        if (identity.by === 'key') {
          t.true(dialled === identity.peerId || pinned.includes(identity.peerId))
          t.true(name === undefined && role === undefined)
          return
        }
        const member = leaf === undefined ? undefined : members.get(leaf)
        t.truthy(member, `${leaf?.subject ?? ''} is no member`)
        t.true(hasNetwork && roots.some((root) => identity.keys.includes(root.spkiSha256)))
        t.true(name === undefined || name === member?.name)
        t.true(role === undefined || role === member?.role)
      },
    ),
    { numRuns: 4000 },
  )
  t.true(trusted.key > 0 && trusted.network > 0, JSON.stringify(trusted))
})
