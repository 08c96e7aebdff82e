import { ReachError } from '../../lib/base/errors.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import { isPeerId, shortPeerId } from '../../lib/base/peer-id.ts'
import type { Role } from '../../lib/base/peer-name.ts'
import { parsePeerName } from '../../lib/base/peer-name.ts'
import type { DeniedKey } from '../../lib/identity/trust/deny-list.ts'
import { MAX_DENIED_KEYS } from '../../lib/identity/trust/deny-list.ts'
import type { InviteRequest } from '../../lib/protocol/relay/admin-request.ts'
import { MAX_TOKEN_LIFETIME_MS, MAX_TOKEN_USES } from '../../lib/protocol/relay/admin-request.ts'
import type { SshKey } from './ssh-key.ts'

/** Everything that a network's authority has promised: who is a member, which tokens are open, which keys are denied. */
export interface Ledger {
  readonly members: ReadonlyMap<PeerId, Member>
  /** By their id. */
  readonly tokens: ReadonlyMap<string, Token>
  /** SSH clients, by their fingerprint. */
  readonly sshKeys: ReadonlyMap<string, SshKey>
  readonly denied: readonly DeniedKey[]
  /** Of the deny list that holds `denied`; goes up by one with each change. */
  readonly denyListNumber: number
}

/** A key that has joined, whether it is welcome still or not. */
export interface Member {
  readonly peerId: PeerId
  readonly spkiSha256: string
  readonly name: string
  readonly role: Role
  readonly enrolledAtMs: number
  /** Those that have not expired; at least the newest. */
  readonly certificates: readonly IssuedCertificate[]
  /** Which roots it said it trusts. */
  readonly roots: readonly string[]
  /** Of a relay: where others reach it. */
  readonly addresses: readonly string[]
  readonly revokedAtMs: number | undefined
}

/** What the authority remembers of a certificate. */
export interface IssuedCertificate {
  /** In hex. */
  readonly serial: string
  readonly notAfterMs: number
}

/** A right to join, some number of times. The secret itself is never kept. */
export interface Token {
  readonly id: string
  /** SHA-256 in hex: a stolen backup lets nobody join. */
  readonly secretSha256: string
  readonly name: string
  readonly role: Role
  readonly uses: number
  readonly createdAtMs: number
  readonly expiresAtMs: number
  /** Who made it; it goes when that one does. */
  readonly by: string
  /** Who joined with it. */
  readonly usedBy: readonly PeerId[]
}

/** A ledger of a network that is being made. */
export const EMPTY_LEDGER: Ledger = {
  ...{ members: new Map(), tokens: new Map(), sshKeys: new Map() },
  ...{ denied: [], denyListNumber: 0 },
}

/** Ours: for so long "used" and "expired" are told from "unknown". */
const TOKEN_MEMORY_MS = 7 * 86_400_000
/** Ours: the deny list with 10,000 of them must fit one frame. */
const MAX_REASON_LENGTH = 64
/** Ours: what the ledger's file and `relay status` can hold. */
const MAX_MEMBERS = 10_000
/** Ours: more open tokens than this are an accident. */
const MAX_TOKENS = 10_000

/** Opens a token. @throws {ReachError} ERR_REACH_NAME, ERR_REACH_NAME_TAKEN, ERR_REACH_USAGE */
export function addToken(
  ledger: Ledger,
  invite: Omit<InviteRequest, 'op'> & Pick<Token, 'by'>,
  drawn: { readonly id: string; readonly secretSha256: string },
  nowMs: number,
): Ledger {
  const name = parsePeerName(invite.name)
  checkInvite(invite)
  if (invite.uses === 1) checkNameIsFree(ledger, name, undefined)
  else parsePeerName(`${name}-${invite.uses}`) // the last one must be a name, too
  const tokens = new Map(
    [...ledger.tokens].filter(([, { expiresAtMs }]) => expiresAtMs + TOKEN_MEMORY_MS > nowMs),
  )
  if (tokens.size >= MAX_TOKENS) {
    throw new ReachError('ERR_REACH_USAGE', `${MAX_TOKENS} tokens are open`, {
      hint: 'wait until some expire',
    })
  }
  const { role, uses, expiresInMs, by } = invite
  tokens.set(drawn.id, {
    ...drawn,
    name,
    role,
    uses,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + expiresInMs,
    by,
    usedBy: [],
  })
  return { ...ledger, tokens }
}

/** What a token gives to the holder of a key. */
export interface Grant {
  readonly name: string
  readonly role: Role
}

/**
 * What the token gives, if the secret is right. Whoever used it before gets the same again until it expires: the answer
 * to the first time may have been lost on the way.
 * @param secretMatches compares in constant time
 * @throws {ReachError} ERR_REACH_TOKEN_UNKNOWN, ERR_REACH_TOKEN_EXPIRED, ERR_REACH_TOKEN_USED, ERR_REACH_NAME_TAKEN,
 * ERR_REACH_TRUST_REVOKED
 */
export function grantOf(
  ledger: Ledger,
  tokenId: string,
  secretMatches: (secretSha256: string) => boolean,
  key: Pick<Member, 'peerId' | 'spkiSha256'>,
  nowMs: number,
): Grant {
  const token = ledger.tokens.get(tokenId)
  // One answer for both, so that nobody learns which ids exist. The comparison is made in either case.
  const isRight = secretMatches(token?.secretSha256 ?? '0'.repeat(64))
  if (token === undefined || !isRight) {
    throw new ReachError('ERR_REACH_TOKEN_UNKNOWN', 'the network knows no such join string', {
      hint: ASK_AGAIN,
    })
  }
  if (nowMs > token.expiresAtMs) {
    const ago = Math.ceil((nowMs - token.expiresAtMs) / 60_000)
    throw new ReachError('ERR_REACH_TOKEN_EXPIRED', `the join string expired ${ago} min ago`, {
      hint: ASK_AGAIN,
    })
  }
  if (ledger.denied.some(({ spkiSha256 }) => spkiSha256 === key.spkiSha256)) {
    throw new ReachError('ERR_REACH_TRUST_REVOKED', `the key ${shortPeerId(key.peerId)} was revoked`, {
      hint: 'move identity.pem out of the home folder, then join again with a new key',
    })
  }
  const before = token.usedBy.includes(key.peerId) ? ledger.members.get(key.peerId) : undefined
  if (before !== undefined) return { name: before.name, role: before.role }
  if (token.usedBy.length >= token.uses) {
    throw new ReachError('ERR_REACH_TOKEN_USED', 'the join string has been used', { hint: ASK_AGAIN })
  }
  return { name: grantedName(ledger, token, key.peerId), role: token.role }
}

const ASK_AGAIN = 'ask for a new one, made with  p2p-reach invite NAME'

/** Burns one use of the token and enters the certificate, in one step. */
export function enter(
  ledger: Ledger,
  tokenId: string | undefined,
  member: Omit<Member, 'certificates' | 'roots' | 'addresses' | 'revokedAtMs' | 'enrolledAtMs'>,
  certificate: IssuedCertificate,
  nowMs: number,
): Ledger {
  const before = ledger.members.get(member.peerId)
  if (before === undefined && ledger.members.size >= MAX_MEMBERS) {
    throw new ReachError('ERR_REACH_REQUEST_REFUSED', `the network is full: ${MAX_MEMBERS} keys have joined`)
  }
  const { roots = [], addresses = [], enrolledAtMs = nowMs, certificates = [] } = before ?? {}
  const fresh = certificates.filter(({ notAfterMs }) => notAfterMs > nowMs)
  const entered: Member = {
    ...member,
    ...{ roots, addresses, enrolledAtMs, certificates: [...fresh, certificate], revokedAtMs: undefined },
  }
  const members = new Map(ledger.members).set(member.peerId, entered)
  return { ...ledger, members, tokens: burnt(ledger.tokens, tokenId, member.peerId) }
}

function burnt(tokens: Ledger['tokens'], id: string | undefined, by: PeerId): Ledger['tokens'] {
  const token = id === undefined ? undefined : tokens.get(id)
  if (token === undefined || token.usedBy.includes(by)) return tokens
  return new Map(tokens).set(token.id, { ...token, usedBy: [...token.usedBy, by] })
}

/**
 * Denies a key for ever, whatever it is called, and closes the tokens that its holder has made.
 * @throws {ReachError} ERR_REACH_USAGE when the list is full, or the reason too long
 */
export function deny(ledger: Ledger, key: DeniedKey): Ledger {
  if (ledger.denied.some(({ spkiSha256 }) => spkiSha256 === key.spkiSha256)) return ledger
  if (ledger.denied.length >= MAX_DENIED_KEYS) {
    throw new ReachError('ERR_REACH_USAGE', `the deny list is full: ${MAX_DENIED_KEYS} keys`, {
      hint: 'rotate to a new network',
    })
  }
  checkReason(key.reason)
  const members = new Map(ledger.members)
  const names = new Set<string>()
  for (const [peerId, member] of ledger.members) {
    if (member.spkiSha256 !== key.spkiSha256) continue
    members.set(peerId, { ...member, revokedAtMs: key.deniedAtMs })
    names.add(member.name)
  }
  const tokens = new Map([...ledger.tokens].filter(([, { by }]) => !names.has(by)))
  const denied = [...ledger.denied, key]
  return { ...ledger, members, tokens, denied, denyListNumber: ledger.denyListNumber + 1 }
}

/** The same deny list under a new number: its signer has changed. An empty one needs no signer. */
export function renumber(ledger: Ledger): Ledger {
  return ledger.denyListNumber === 0 ? ledger : { ...ledger, denyListNumber: ledger.denyListNumber + 1 }
}

/** Notes what a member says of itself. */
export function note(
  ledger: Ledger,
  peerId: PeerId,
  said: Partial<Pick<Member, 'roots' | 'addresses'>>,
): Ledger {
  const member = ledger.members.get(peerId)
  if (member === undefined) return ledger
  return { ...ledger, members: new Map(ledger.members).set(peerId, { ...member, ...said }) }
}

/** A member by name or PeerId; one that is welcome before those that are not. */
export function findMember(ledger: Ledger, nameOrId: string): Member | undefined {
  const wanted = nameOrId.trim().toLowerCase()
  if (isPeerId(wanted)) return ledger.members.get(wanted)
  const namesakes = [...ledger.members.values()].filter(({ name }) => name === wanted)
  return namesakes.find(({ revokedAtMs }) => revokedAtMs === undefined) ?? namesakes.at(-1)
}

/** The end of a member's newest certificate. */
export function newestEndMs({ certificates }: Member): number {
  return Math.max(0, ...certificates.map(({ notAfterMs }) => notAfterMs))
}

/** Every member keeps all reasons and every connection may bring them: they are short, and of one line. */
function checkReason(reason: string): void {
  if (reason.length <= MAX_REASON_LENGTH && !/\p{C}/u.test(reason)) return
  throw new ReachError(
    'ERR_REACH_USAGE',
    `a reason has at most ${MAX_REASON_LENGTH} letters, all of them printable`,
    {
      hint: 'say it in fewer words',
    },
  )
}

function checkInvite({ uses, expiresInMs }: Pick<InviteRequest, 'uses' | 'expiresInMs'>): void {
  if (uses < 1 || uses > MAX_TOKEN_USES) {
    throw new ReachError('ERR_REACH_USAGE', `a join string can't have ${uses} uses`, {
      hint: `from 1 to ${MAX_TOKEN_USES}`,
    })
  }
  if (expiresInMs < 1000 || expiresInMs > MAX_TOKEN_LIFETIME_MS) {
    throw new ReachError('ERR_REACH_USAGE', 'a join string lives from 1 second to 90 days', {
      hint: 'write --expires 1h',
    })
  }
}

/** The name itself, or the first free `name-1`, `name-2`, … of a token for many. */
function grantedName(ledger: Ledger, { name, uses }: Token, peerId: PeerId): string {
  if (uses === 1) {
    checkNameIsFree(ledger, name, peerId)
    return name
  }
  const holders = [...ledger.members.values(), ...ledger.sshKeys.values()]
  const taken = new Set(holders.flatMap((holder) => (isWelcome(holder) ? [holder.name] : [])))
  for (let number = 1; ; number++) {
    const candidate = parsePeerName(`${name}-${number}`)
    if (!taken.has(candidate)) return candidate
  }
}

/** A name belongs to one identity, a member or an SSH client. @throws {ReachError} ERR_REACH_NAME_TAKEN */
export function checkNameIsFree(ledger: Ledger, name: string, peerId: PeerId | undefined): void {
  const sshKey = [...ledger.sshKeys.values()].find((key) => key.name === name && isWelcome(key))
  if (sshKey !== undefined) {
    throw new ReachError(
      'ERR_REACH_NAME_TAKEN',
      `the name ${name} belongs to the SSH key ${sshKey.fingerprint}`,
      {
        hint: `choose another name, or free it with  p2p-reach relay ssh-key revoke ${name}`,
        details: { name, fingerprint: sshKey.fingerprint },
      },
    )
  }
  const holder = findMember(ledger, name)
  if (holder === undefined || !isWelcome(holder) || holder.peerId === peerId) return
  throw new ReachError('ERR_REACH_NAME_TAKEN', `the name ${name} belongs to ${shortPeerId(holder.peerId)}`, {
    hint: `choose another name, or free it with  p2p-reach revoke ${name}`,
    details: { name, peerId: holder.peerId },
  })
}

function isWelcome({ revokedAtMs }: Pick<Member, 'revokedAtMs'>): boolean {
  return revokedAtMs === undefined
}
