import { ReachError } from '../base/errors.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { OpenDecision, OpenRequest } from '../session/open-decision.ts'
import type { SessionStream } from '../session/session-stream.ts'
import { PING_SERVICE, RESERVED_PREFIX, parsePeer, parseServiceName } from './service-address.ts'

/** Gets each stream that was allowed, before it is accepted. */
export type ServeStream = (stream: SessionStream, peer: PeerIdentity) => void

interface Entry {
  readonly serve: ServeStream
  /** Names and PeerIds; undefined for every member of the network. */
  readonly allow: ReadonlySet<string> | undefined
}

/** What a peer exposes, and to whom. Nothing else can be reached through it. */
export class ServiceTable {
  readonly #entries = new Map<string, Entry>()

  /** Names of what is exposed. */
  get names(): readonly string[] {
    return [...this.#entries.keys()]
  }

  /**
   * Exposes a service.
   * @param allow names or PeerIds of those who may use it. Default: every member of the network
   * @returns takes it away again
   * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_SERVICE_IN_USE
   */
  add(name: string, serve: ServeStream, allow?: readonly string[]): () => void {
    const service = parseServiceName(name)
    if (service.startsWith(RESERVED_PREFIX)) {
      throw new ReachError('ERR_REACH_NAME', `services that begin with ${RESERVED_PREFIX} are built in`, {
        hint: 'choose another name',
      })
    }
    if (this.#entries.has(service)) {
      throw new ReachError('ERR_REACH_SERVICE_IN_USE', `this peer exposes a service ${service} already`, {
        hint: 'choose another name, or close the other one first',
        details: { service },
      })
    }
    const entry = { serve, allow: allow === undefined ? undefined : new Set(allow.map(parsePeer)) }
    this.#entries.set(service, entry)
    return () => {
      if (this.#entries.get(service) === entry) this.#entries.delete(service)
    }
  }

  /** The one decision about each stream that a peer opens. */
  decide({ peer, service }: OpenRequest): OpenDecision {
    if (service === PING_SERVICE) return { kind: 'allowed', serve: pingBack }
    const entry = this.#entries.get(service)
    if (entry === undefined) return { kind: 'refused', reason: 'service-unknown' }
    return mayUse(peer, entry.allow)
      ? { kind: 'allowed', serve: entry.serve }
      : { kind: 'refused', reason: 'not-permitted' }
  }
}

/** A name counts only where the network vouches for it. */
function mayUse({ peerId, name }: PeerIdentity, allow: ReadonlySet<string> | undefined): boolean {
  if (allow === undefined) return true
  return allow.has(peerId) || (name !== undefined && allow.has(name))
}

/** Ours: nobody needs to ping with more; what follows is not given back. */
const MAX_PING_BYTES = 1024 * 1024

function pingBack(stream: SessionStream): void {
  let left = MAX_PING_BYTES
  stream.accept()
  stream.on('error', () => undefined)
  stream.on('data', (chunk: Uint8Array) => {
    left -= chunk.length
    if (left < 0) stream.reset('not-permitted')
    else stream.write(chunk)
  })
  stream.once('end', () => stream.end())
}
