import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../lib/base/errors.ts'
import type { PeerId } from '../../../lib/base/peer-id.ts'
import { peerIdOf } from '../../../lib/base/peer-id.ts'
import { formatLedger, parseLedger } from '../../../relay-server/authority/ledger-format.ts'
import type { Ledger } from '../../../relay-server/authority/ledger.ts'
import {
  EMPTY_LEDGER,
  addToken,
  deny,
  enter,
  findMember,
  grantOf,
} from '../../../relay-server/authority/ledger.ts'

const NOW_MS = 1_800_000_000_000
const HOUR_MS = 3_600_000

interface Key {
  readonly peerId: PeerId
  readonly spkiSha256: string
}

function keyNumber(number: number): Key {
  const bytes = new Uint8Array(32).fill(number + 1)
  return { peerId: peerIdOf(bytes), spkiSha256: Buffer.from(bytes).toString('hex') }
}

function withToken(ledger: Ledger, id: string, name: string, uses = 1, by = 'operator'): Ledger {
  const secretSha256 = id.padStart(64, '0')
  return addToken(
    ledger,
    { name, role: 'peer', uses, expiresInMs: HOUR_MS, by },
    { id, secretSha256 },
    NOW_MS,
  )
}

/** Lets a key in by a token whose secret is its id. */
function join(ledger: Ledger, id: string, key: Key, nowMs = NOW_MS): Ledger {
  const grant = grantOf(ledger, id, (secretSha256) => secretSha256 === id.padStart(64, '0'), key, nowMs)
  return enter(ledger, id, { ...key, ...grant }, { serial: '01', notAfterMs: nowMs + HOUR_MS }, nowMs)
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return ReachError.is(error) ? error.code : String(error)
  }
}

test('a token is refused when unknown, with a wrong secret, expired, or used up; the last two say which', (t) => {
  const ledger = withToken(EMPTY_LEDGER, 'a1', 'alice')
  const right = () => true
  t.is(
    codeOf(() => grantOf(ledger, 'ff', right, keyNumber(1), NOW_MS)),
    'ERR_REACH_TOKEN_UNKNOWN',
  )
  t.is(
    codeOf(() => grantOf(ledger, 'a1', () => false, keyNumber(1), NOW_MS)),
    'ERR_REACH_TOKEN_UNKNOWN',
  )
  t.is(
    codeOf(() => grantOf(ledger, 'a1', right, keyNumber(1), NOW_MS + HOUR_MS + 1)),
    'ERR_REACH_TOKEN_EXPIRED',
  )
  const joined = join(ledger, 'a1', keyNumber(1))
  t.is(
    codeOf(() => join(joined, 'a1', keyNumber(2))),
    'ERR_REACH_TOKEN_USED',
  )
  t.is(
    codeOf(() => join(joined, 'a1', keyNumber(1))),
    undefined,
  )
})

test('the secret is compared even where there is no token, so that time tells nothing', (t) => {
  let compared = 0
  codeOf(() => grantOf(EMPTY_LEDGER, 'a1', () => ++compared > 0, keyNumber(1), NOW_MS))
  t.is(compared, 1)
})

test('a name belongs to one welcome key; whoever is denied gives it back and never returns', (t) => {
  const both = withToken(withToken(EMPTY_LEDGER, 'a1', 'alice'), 'a2', 'alice')
  const first = join(both, 'a1', keyNumber(1))
  t.is(
    codeOf(() => withToken(first, 'a3', 'alice')),
    'ERR_REACH_NAME_TAKEN',
  )
  t.is(
    codeOf(() => join(first, 'a2', keyNumber(2))),
    'ERR_REACH_NAME_TAKEN',
  )
  const denied = deny(first, { spkiSha256: keyNumber(1).spkiSha256, deniedAtMs: NOW_MS, reason: '' })
  t.is(denied.denyListNumber, 1)
  t.is(
    codeOf(() => join(denied, 'a2', keyNumber(1))),
    'ERR_REACH_TRUST_REVOKED',
  )
  t.is(findMember(join(denied, 'a2', keyNumber(2)), 'Alice')?.peerId, keyNumber(2).peerId)
  t.is(deny(denied, { spkiSha256: keyNumber(1).spkiSha256, deniedAtMs: NOW_MS, reason: '' }), denied)
})

test('invitations that can’t work are refused when they are made', (t) => {
  t.is(
    codeOf(() => withToken(EMPTY_LEDGER, 'a1', 'x'.repeat(63), 10)),
    'ERR_REACH_NAME',
  )
  t.is(
    codeOf(() => withToken(EMPTY_LEDGER, 'a1', 'web', 0)),
    'ERR_REACH_USAGE',
  )
  t.is(
    codeOf(() => withToken(EMPTY_LEDGER, 'a1', 'web', 10_001)),
    'ERR_REACH_USAGE',
  )
  t.is(
    codeOf(() => deny(EMPTY_LEDGER, { spkiSha256: '00', deniedAtMs: 0, reason: 'x'.repeat(65) })),
    'ERR_REACH_USAGE',
  )
  t.is(
    codeOf(() => deny(EMPTY_LEDGER, { spkiSha256: '00', deniedAtMs: 0, reason: 'a\nb' })),
    'ERR_REACH_USAGE',
  )
})

test('whatever happens: no two welcome keys share a name, no token lets in more than its uses, nobody returns', (t) => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('invite' as const),
      token: fc.nat(5),
      name: fc.nat(3),
      uses: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({ kind: fc.constant('join' as const), token: fc.nat(5), key: fc.nat(6) }),
    fc.record({ kind: fc.constant('deny' as const), key: fc.nat(6) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let ledger = EMPTY_LEDGER
      const denied = new Set<string>()
      const perform = (one: (typeof steps)[number]): Ledger => {
        switch (one.kind) {
          case 'invite':
            return ledger.tokens.has(`${one.token}`)
              ? ledger
              : withToken(ledger, `${one.token}`, `name-${one.name}`, one.uses)
          case 'join':
            return join(ledger, `${one.token}`, keyNumber(one.key))
          case 'deny':
            denied.add(keyNumber(one.key).spkiSha256)
            return deny(ledger, { spkiSha256: keyNumber(one.key).spkiSha256, deniedAtMs: NOW_MS, reason: '' })
        }
      }
      for (const one of steps) {
        const before = ledger
        try {
          ledger = perform(one)
        } catch (error) {
          t.true(ReachError.is(error), String(error))
        }
        t.true(ledger.denyListNumber >= before.denyListNumber)
        const welcome = [...ledger.members.values()].filter(({ revokedAtMs }) => revokedAtMs === undefined)
        t.is(new Set(welcome.map(({ name }) => name)).size, welcome.length)
        t.false(welcome.some(({ spkiSha256 }) => denied.has(spkiSha256)))
        for (const { usedBy, uses } of ledger.tokens.values()) t.true(usedBy.length <= uses)
      }
      t.deepEqual(parseLedger(formatLedger(ledger)), ledger)
    }),
  )
})

test('a damaged ledger is told, whatever is wrong with it', (t) => {
  const whole = formatLedger(join(withToken(EMPTY_LEDGER, 'a1', 'alice'), 'a1', keyNumber(1)))
  for (const text of [
    '',
    '{}',
    whole.slice(0, -20),
    whole.replace('ledger/1', 'ledger/2'),
    whole.replace('"role"', '"rôle"'),
  ]) {
    t.regex(codeOf(() => parseLedger(text)) ?? '', /^ERR_REACH_(DECODE|USAGE)$/)
  }
})
