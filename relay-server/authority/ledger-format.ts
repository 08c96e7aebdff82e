import { JsonReader } from '../../lib/base/json-reader.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import { isPeerId } from '../../lib/base/peer-id.ts'
import { parseRole } from '../../lib/base/peer-name.ts'
import { MAX_DENIED_KEYS, readDeniedKey } from '../../lib/identity/trust/deny-list.ts'
import { parseSshKeyUse } from '../../lib/protocol/relay/ssh-key-request.ts'
import type { Ledger, Member, Token } from './ledger.ts'
import type { SshKey } from './ssh-key.ts'

const SCHEMA = 'p2p-reach/ledger/1'

/** A ledger as it stands in its file. */
export function formatLedger({ members, tokens, sshKeys, denied, denyListNumber }: Ledger): string {
  const lists = {
    members: [...members.values()],
    tokens: [...tokens.values()],
    sshKeys: [...sshKeys.values()],
    denied,
  }
  return `${JSON.stringify({ schema: SCHEMA, denyListNumber, ...lists }, undefined, 1)}\n`
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function parseLedger(text: string): Ledger {
  const reader = JsonReader.parse(text, 'ledger')
  const schema = reader.text('schema')
  if (schema !== SCHEMA) throw new ReachError('ERR_REACH_DECODE', `its schema is ${schema}, not ${SCHEMA}`)
  const members = reader.objects('members').map(readMember)
  const tokens = reader.objects('tokens').map(readToken)
  // Ledgers of before have none.
  const sshKeys = reader.optional('sshKeys', (own) => own.objects('sshKeys').map(readSshKey)) ?? []
  return {
    denyListNumber: reader.count('denyListNumber'),
    members: new Map(members.map((member) => [member.peerId, member])),
    tokens: new Map(tokens.map((token) => [token.id, token])),
    sshKeys: new Map(sshKeys.map((key) => [key.fingerprint, key])),
    denied: reader.objects('denied', MAX_DENIED_KEYS).map(readDeniedKey),
  }
}

function readMember(reader: JsonReader): Member {
  return {
    peerId: readPeerId(reader.text('peerId')),
    spkiSha256: reader.text('spkiSha256'),
    name: reader.text('name'),
    role: parseRole(reader.text('role')),
    enrolledAtMs: reader.count('enrolledAtMs'),
    certificates: reader
      .objects('certificates')
      .map((one) => ({ serial: one.text('serial'), notAfterMs: one.count('notAfterMs') })),
    roots: reader.texts('roots'),
    addresses: reader.texts('addresses'),
    revokedAtMs: reader.optional('revokedAtMs', (own) => own.count('revokedAtMs')),
  }
}

function readToken(reader: JsonReader): Token {
  return {
    id: reader.text('id'),
    secretSha256: reader.text('secretSha256'),
    name: reader.text('name'),
    role: parseRole(reader.text('role')),
    uses: reader.count('uses'),
    createdAtMs: reader.count('createdAtMs'),
    expiresAtMs: reader.count('expiresAtMs'),
    by: reader.text('by'),
    usedBy: reader.texts('usedBy').map(readPeerId),
  }
}

function readSshKey(reader: JsonReader): SshKey {
  return {
    type: reader.text('type'),
    base64: reader.text('base64'),
    fingerprint: reader.text('fingerprint'),
    name: reader.text('name'),
    use: parseSshKeyUse(reader.text('use')),
    allow: reader.optional('allow', (own) => own.texts('allow')),
    addedAtMs: reader.count('addedAtMs'),
    revokedAtMs: reader.optional('revokedAtMs', (own) => own.count('revokedAtMs')),
  }
}

function readPeerId(text: string): PeerId {
  if (isPeerId(text)) return text
  throw new ReachError('ERR_REACH_DECODE', 'a PeerId is damaged')
}
