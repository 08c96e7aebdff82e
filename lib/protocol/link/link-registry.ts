import { toHex } from '../../base/hex.ts'
import { LINK_VERSION } from './handshake-record.ts'
import type { AttachRequest, LinkRole } from './handshake-record.ts'
import { Link } from './link.ts'
import { linkDefaults } from './link-options.ts'
import type { LinkOptions } from './link-options.ts'
import { RecordWriter } from './record-writer.ts'
import { writeRefuse } from './handshake-record.ts'
import type { KnownRefusal } from './refusal.ts'
import type { ReplayBudget } from './replay-budget.ts'

/** Ours: sessions in all; above, new ones are refused. Those that ended lately make room first. */
export const DEFAULT_MAX_SESSIONS = 4096
/** Ours: sessions with one peer. A process needs one; several processes may share a key, such as many ssh at once. */
export const DEFAULT_MAX_SESSIONS_PER_PEER = 64

/** What a registry is made of. */
export interface LinkRegistrySetup {
  readonly budget: ReplayBudget
  readonly link?: Partial<LinkOptions>
  /** Default {@link DEFAULT_MAX_SESSIONS}. */
  readonly maxSessions?: number
  /** Default {@link DEFAULT_MAX_SESSIONS_PER_PEER}. */
  readonly maxSessionsPerPeer?: number
}

/** What became of a path that a peer dialled. */
export type AttachOutcome =
  | { readonly kind: 'accepted'; readonly link: Link; readonly isNew: boolean }
  /** Write the bytes and close the path. */
  | { readonly kind: 'refused'; readonly refusal: KnownRefusal; readonly bytes: Uint8Array }

interface Entry {
  readonly link: Link
  readonly peer: string
  /** Forgotten then; until the link has ended, undefined. */
  forgetAtMs: number | undefined
}

/**
 * The sessions of a process by their ids: finds the link that a path asks for, makes one for a new session, and answers
 * for a while for those that ended.
 */
export class LinkRegistry {
  readonly #setup: LinkRegistrySetup
  readonly #entries = new Map<string, Entry>()

  constructor(setup: LinkRegistrySetup) {
    this.#setup = setup
  }

  /** Sessions known, with those that ended lately. */
  get size(): number {
    return this.#entries.size
  }

  /** Makes the link of a new session that we begin. @param sessionId 16 random bytes */
  create(sessionId: Uint8Array, peerKey: Uint8Array, nowMs: number): Link {
    return this.#make('initiator', sessionId, peerKey, nowMs)
  }

  /** Decides about a path that a peer dialled. @param path see Link.accept @param peerKey as authenticated on it */
  accept(path: number, request: AttachRequest, peerKey: Uint8Array, nowMs: number): AttachOutcome {
    if (request.version !== LINK_VERSION) return refused('version')
    const role = request.senderRole === 'initiator' ? 'responder' : 'initiator'
    const known = this.#entries.get(keyOf(role, request.sessionId))?.link
    if (known === undefined && !(request.mayCreate && role === 'responder' && request.received === 0)) {
      return refused('session-unknown')
    }
    if (known === undefined && !this.#hasRoom(peerKey, nowMs)) return refused('too-many-sessions')
    const link = known ?? this.#make('responder', request.sessionId, peerKey, nowMs)
    const refusal = link.accept(path, request, peerKey, nowMs)
    if (refusal === undefined) return { kind: 'accepted', link, isNew: known === undefined }
    if (known === undefined) this.#drop(link)
    return refused(refusal)
  }

  /** Forgets sessions that ended a resume time ago. Call it now and then, a few times per resume time. */
  sweep(nowMs: number): void {
    const keptMs = this.#setup.link?.resumeTimeMs ?? linkDefaults.resumeTimeMs
    for (const [key, entry] of this.#entries) {
      if (entry.link.end === undefined) continue
      entry.forgetAtMs ??= nowMs + keptMs
      if (nowMs >= entry.forgetAtMs) this.#entries.delete(key)
    }
  }

  #make(role: LinkRole, sessionId: Uint8Array, peerKey: Uint8Array, nowMs: number): Link {
    const { budget, link: options = {} } = this.#setup
    const link = new Link({ role, sessionId, peerKey, budget, options }, nowMs)
    this.#entries.set(keyOf(role, sessionId), { link, peer: toHex(peerKey), forgetAtMs: undefined })
    return link
  }

  #drop(link: Link): void {
    link.abort()
    this.#entries.delete(keyOf(link.role, link.sessionId))
  }

  #hasRoom(peerKey: Uint8Array, nowMs: number): boolean {
    this.sweep(nowMs)
    const ofPeer = this.#entriesOf(toHex(peerKey))
    const maxOfPeer = this.#setup.maxSessionsPerPeer ?? DEFAULT_MAX_SESSIONS_PER_PEER
    if (ofPeer.length >= maxOfPeer && !this.#forgetOne(ofPeer)) return false
    const max = this.#setup.maxSessions ?? DEFAULT_MAX_SESSIONS
    return this.#entries.size < max || this.#forgetOne([...this.#entries])
  }

  #entriesOf(peer: string): [string, Entry][] {
    return [...this.#entries].filter(([, entry]) => entry.peer === peer)
  }

  /** Forgets the oldest session that has ended. */
  #forgetOne(entries: readonly [string, Entry][]): boolean {
    const ended = entries.find(([, entry]) => entry.link.end !== undefined)
    return ended !== undefined && this.#entries.delete(ended[0])
  }
}

/** A process that dials itself has both ends of a session; the role tells them apart. */
function keyOf(role: LinkRole, sessionId: Uint8Array): string {
  return `${role} ${toHex(sessionId)}`
}

function refused(refusal: KnownRefusal): AttachOutcome {
  const writer = new RecordWriter()
  writeRefuse(writer, refusal)
  return { kind: 'refused', refusal, bytes: writer.take() }
}
