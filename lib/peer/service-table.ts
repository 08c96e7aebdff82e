import { ReachError } from '../base/errors.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { StreamContent } from '../protocol/mux/open-header.ts'
import type { DatagramFlow } from '../session/datagram-flow.ts'
import type { OpenDecision, OpenRequest } from '../session/open-decision.ts'
import type { SessionStream } from '../session/session-stream.ts'
import { PING_SERVICE, RESERVED_PREFIX, parsePeer, parseServiceName } from './service-address.ts'

/** Gets each stream that was allowed, before it is accepted. */
export type ServeStream = (stream: SessionStream, peer: PeerIdentity) => void

/** Gets each flow of datagrams that was allowed, before it is accepted. */
export type ServeFlow = (flow: DatagramFlow, peer: PeerIdentity) => void

/** Who serves, and what: a name may stand for both, as DNS over TCP and UDP does. */
type Served =
  | { readonly carries: 'bytes'; readonly serve: ServeStream }
  | { readonly carries: 'datagrams'; readonly serve: ServeFlow }

interface Entry {
  readonly served: Served
  /** Names and PeerIds; undefined for every member of the network. */
  readonly allow: ReadonlySet<string> | undefined
}

/** What a peer exposes, and to whom. Nothing else can be reached through it. */
export class ServiceTable {
  readonly #entries: Readonly<Record<StreamContent, Map<string, Entry>>> = {
    bytes: new Map(),
    datagrams: new Map(),
  }

  /** Names of what is exposed. */
  get names(): readonly string[] {
    return [...new Set([...this.#entries.bytes.keys(), ...this.#entries.datagrams.keys()])]
  }

  /**
   * Exposes a service.
   * @param allow names or PeerIds of those who may use it. Default: every member of the network
   * @returns takes it away again
   * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_SERVICE_IN_USE
   */
  add(name: string, serve: ServeStream, allow?: readonly string[]): () => void {
    return this.#add(name, { carries: 'bytes', serve }, allow)
  }

  /** The same for a service of datagrams. */
  addFlows(name: string, serve: ServeFlow, allow?: readonly string[]): () => void {
    return this.#add(name, { carries: 'datagrams', serve }, allow)
  }

  #add(name: string, served: Served, allow: readonly string[] | undefined): () => void {
    const service = parseServiceName(name)
    if (service.startsWith(RESERVED_PREFIX)) {
      throw new ReachError('ERR_REACH_NAME', `services that begin with ${RESERVED_PREFIX} are built in`, {
        hint: 'choose another name',
      })
    }
    const entries = this.#entries[served.carries]
    if (entries.has(service)) {
      throw new ReachError('ERR_REACH_SERVICE_IN_USE', `this peer exposes a service ${service} already`, {
        hint: 'choose another name, or close the other one first',
        details: { service },
      })
    }
    const entry = { served, allow: allow === undefined ? undefined : new Set(allow.map(parsePeer)) }
    entries.set(service, entry)
    return () => {
      if (entries.get(service) === entry) entries.delete(service)
    }
  }

  /** The one decision about each stream that a peer opens. */
  decide({ peer, service, carries }: OpenRequest): OpenDecision {
    if (service === PING_SERVICE) return { kind: 'allowed', serve: pingBack }
    const other = carries === 'bytes' ? 'datagrams' : 'bytes'
    const entry = this.#entries[carries].get(service) ?? this.#entries[other].get(service)
    if (entry === undefined) return { kind: 'refused', reason: 'service-unknown' }
    // Who may not use a service does not learn what kind it is of.
    if (!mayUse(peer, entry.allow)) return { kind: 'refused', reason: 'not-permitted' }
    const { served } = entry
    if (served.carries !== carries) return { kind: 'refused', reason: 'wrong-transport' }
    return served.carries === 'bytes'
      ? { kind: 'allowed', serve: served.serve }
      : { kind: 'allowed-flow', serve: served.serve }
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
