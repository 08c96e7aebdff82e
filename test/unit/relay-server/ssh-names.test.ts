import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { peerIdOf } from '../../../lib/base/peer-id.ts'
import type { SshPublicKey } from '../../../lib/protocol/ssh/public-key.ts'
import { formatLedger, parseLedger } from '../../../relay-server/authority/ledger-format.ts'
import type { Ledger } from '../../../relay-server/authority/ledger.ts'
import { EMPTY_LEDGER, addToken, enter } from '../../../relay-server/authority/ledger.ts'
import type { SshKey } from '../../../relay-server/authority/ssh-key.ts'
import { addSshKey, findSshKey, revokeSshKey } from '../../../relay-server/authority/ssh-keys.ts'
import { kindOfFirstBytes } from '../../../relay-server/first-byte.ts'
import type { OpenDecision } from '../../../relay-server/ssh/decide-open.ts'
import { decideOpen } from '../../../relay-server/ssh/decide-open.ts'
import { Exposures } from '../../../relay-server/ssh/exposures.ts'
import { readBindAddress, readServiceHost } from '../../../relay-server/ssh/service-host.ts'

const NOW_MS = 1_800_000_000_000

const keyOf = (name: string): SshPublicKey => ({
  ...{ type: 'ssh-ed25519', base64: 'AAAA', fingerprint: `SHA256:${name}` },
})

function withKey(ledger: Ledger, name: string, more: Partial<Pick<SshKey, 'use' | 'allow'>> = {}): Ledger {
  return addSshKey(ledger, keyOf(name), { name, use: 'both', allow: undefined, ...more }, NOW_MS)
}

const codeOf = (what: () => unknown) => {
  try {
    what()
    return 'done'
  } catch (error) {
    return ReachError.is(error) ? error.code : String(error)
  }
}

const invite = (ledger: Ledger, name: string) =>
  addToken(
    ledger,
    { name, role: 'peer', uses: 1, expiresInMs: 3_600_000, by: 'operator' },
    { id: 'a1', secretSha256: '0'.repeat(64) },
    NOW_MS,
  )

test('a name belongs to one identity, a member or an SSH client', (t) => {
  const peerId = peerIdOf(new Uint8Array(32).fill(1))
  const member = { peerId, spkiSha256: 'aa', name: 'alice', role: 'peer' } as const
  const certificate = { serial: '1', notAfterMs: NOW_MS + 1 }
  const members = enter(EMPTY_LEDGER, undefined, member, certificate, NOW_MS)
  t.is(
    codeOf(() => withKey(members, 'alice')),
    'ERR_REACH_NAME_TAKEN',
  )
  const both = withKey(members, 'web1')
  t.is(
    codeOf(() => invite(both, 'web1')),
    'ERR_REACH_NAME_TAKEN',
  )
  const other = { name: 'web1', use: 'both', allow: undefined } as const
  t.is(
    codeOf(() => addSshKey(both, keyOf('another'), other, NOW_MS)),
    'ERR_REACH_NAME_TAKEN',
  )
})

test('a revoked key stays out, and its name is free', (t) => {
  const ledger = withKey(EMPTY_LEDGER, 'web1')
  const revoked = revokeSshKey(ledger, findSshKey(ledger, 'web1'), NOW_MS)
  t.is(
    codeOf(() => withKey(revoked, 'web1')),
    'ERR_REACH_TRUST_REVOKED',
  )
  t.is(
    codeOf(() => invite(revoked, 'web1')),
    'done',
  )
  t.is(
    codeOf(() => findSshKey(revoked, 'nobody')),
    'ERR_REACH_PEER_UNKNOWN',
  )
})

test('a ledger keeps SSH keys, and one from before has none', (t) => {
  const ledger = revokeKeyOf(withKey(withKey(EMPTY_LEDGER, 'web1', { allow: ['bob'] }), 'old'), 'old')
  t.deepEqual(parseLedger(formatLedger(ledger)), ledger)
  const before = JSON.parse(formatLedger(EMPTY_LEDGER)) as Record<string, unknown>
  delete before.sshKeys
  t.deepEqual(parseLedger(JSON.stringify(before)), EMPTY_LEDGER)
})

function revokeKeyOf(ledger: Ledger, name: string): Ledger {
  return revokeSshKey(ledger, findSshKey(ledger, name), NOW_MS)
}

/** web1 and web2 expose web at 80; web1 also port 81; shy exposes db to bob alone. */
function decide(caller: string, host: string, port: number, ledger = aNetwork()): OpenDecision<string> {
  const exposures = new Exposures<string>()
  const add = (name: string, service: string | undefined, at: number, connection = name) =>
    exposures.add({ connection, owner: `SHA256:${name}`, name, service, port: at, bindAddress: '' })
  add('web1', 'web', 80)
  add('web2', 'web', 80)
  add('web1', undefined, 81)
  add('shy', 'db', 5432)
  add('web2', 'one', 80, 'older')
  add('web2', 'one', 80, 'newer')
  add('web2', 'web1', 82) // squats on the name of another
  const welcome = (fingerprint: string) => {
    const key = ledger.sshKeys.get(fingerprint)
    return key?.revokedAtMs === undefined ? key : undefined
  }
  return decideOpen(welcome(`SHA256:${caller}`), host, port, {
    welcome,
    keyNamed: (name) => welcome(`SHA256:${name}`),
    isMember: (name) => name === 'alice',
    exposures,
  })
}

const aNetwork = () =>
  [
    ['web1', {}],
    ['web2', {}],
    ['shy', { allow: ['bob'] }],
    ['bob', {}],
    ['giver', { use: 'expose' }],
  ].reduce<Ledger>((ledger, [name, more]) => withKey(ledger, name as string, more as object), EMPTY_LEDGER)

const connectionOf = (decision: OpenDecision<string>) =>
  decision.kind === 'allowed' ? decision.exposure.connection : `${decision.reason}: ${decision.text}`

test('services are found by their full names, and by a word that means one', (t) => {
  t.is(connectionOf(decide('bob', 'web.web1', 80)), 'web1')
  t.is(connectionOf(decide('bob', 'web2/web', 80)), 'web2')
  t.is(connectionOf(decide('bob', 'WEB1', 81)), 'web1')
  t.is(connectionOf(decide('bob', 'db', 5432)), 'shy')
  t.is(connectionOf(decide('bob', 'one', 80)), 'newer')
})

test('nobody takes what was meant for another', (t) => {
  t.regex(connectionOf(decide('bob', 'web', 80)), /^prohibited: web is exposed by web1 and web2/)
  t.regex(connectionOf(decide('bob', 'web1', 82)), /^unknown: web1 exposes/)
})

test('each open is decided by what both keys may', (t) => {
  t.regex(connectionOf(decide('web1', 'db.shy', 5432)), /^prohibited: shy does not let web1 in/)
  t.regex(connectionOf(decide('web1', 'db', 5432)), /^unknown: nobody exposes db/)
  t.is(connectionOf(decide('shy', 'db.shy', 5432)), 'shy')
  t.regex(connectionOf(decide('giver', 'web.web1', 80)), /^prohibited: your key may expose/)
  t.regex(connectionOf(decide('bob', 'web.alice', 80)), /^prohibited: alice is a member/)
  t.regex(connectionOf(decide('bob', '10.0.0.1', 80)), /^unknown: nobody in this network is called 1/)
  const revoked = revokeKeyOf(aNetwork(), 'bob')
  t.regex(connectionOf(decide('bob', 'web.web1', 80, revoked)), /^prohibited: your key was revoked/)
})

test('when the newest connection ends, the one before it counts again', (t) => {
  const exposures = new Exposures<string>()
  const one = { owner: 'o', name: 'n', service: 'web', port: 80, bindAddress: 'web' }
  exposures.add({ ...one, connection: 'first' })
  exposures.add({ ...one, connection: 'second' })
  exposures.drop('second')
  t.deepEqual(
    exposures.ofService('web').map(({ connection }) => connection),
    ['first'],
  )
  t.true(exposures.remove('first', 'web', 80))
  t.false(exposures.remove('first', 'web', 80))
})

test('reads hosts and addresses as ssh sends them', (t) => {
  t.deepEqual(readServiceHost('a.b.web1'), { kind: 'service-of', peer: 'web1', service: 'a.b' })
  t.is(readServiceHost('a/b/c'), undefined)
  t.is(readServiceHost(''), undefined)
  for (const everywhere of ['', '*', 'localhost', '0.0.0.0', '::'])
    t.is(readBindAddress(everywhere), undefined)
  t.is(readBindAddress('Web'), 'web')
  t.false(readBindAddress('/run/x.sock'))
})

test('SSH is told from HTTP by the second byte', (t) => {
  const kind = (text: string) => kindOfFirstBytes(Buffer.from(text))
  t.is(kind('S'), undefined)
  t.is(kind('SSH-2.0-OpenSSH_9.2'), 'ssh')
  t.is(kind('SEARCH / HTTP/1.1'), 'http')
  t.is(kind('GET / HTTP/1.1'), 'http')
})
