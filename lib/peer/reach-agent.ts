import { Agent } from 'node:http'
import type { AgentOptions, ClientRequestArgs } from 'node:http'
import type { Duplex } from 'node:stream'
import type { SessionStream } from '../session/session-stream.ts'
import type { Peer } from './peer.ts'
import { parsePeer, parseServiceName } from './service-address.ts'

/** How `ReachAgent` finds the service of a request. */
export interface ReachAgentOptions extends AgentOptions {
  /** The service of the peer that the URL names. Default `web`: `http://alice/` leads to `alice/web`. */
  readonly service?: string
}

/**
 * An agent for `node:http` that finds servers among peers: `http.get('http://alice/path', { agent })` speaks with the
 * service `web` of `alice`, or with the one that the option names.
 */
export class ReachAgent extends Agent {
  readonly #peer: Peer
  readonly #service: string

  /** @throws {ReachError} ERR_REACH_NAME */
  constructor(peer: Peer, { service = 'web', ...options }: ReachAgentOptions = {}) {
    super({ keepAlive: true, ...options })
    this.#peer = peer
    this.#service = parseServiceName(service)
  }

  /** Called by `node:http` for each connection that it needs. */
  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const host = options.host ?? options.hostname ?? ''
    openStream(this.#peer, host, this.#service).then(
      (stream) => {
        // As `net.connect` does: the agent leaves its own `timeout` to whoever makes the connection.
        if (options.timeout !== undefined) stream.setTimeout(options.timeout)
        callback?.(null, stream)
      },
      // @ts-expect-error Node's type wants a stream even where there is none
      (error: unknown) => callback?.(error),
    )
    return undefined
  }
}

/** What undici hands to its `connect` function, as far as we look. */
export interface ConnectorOptions {
  readonly hostname: string
}

/** The function that undici's `Agent` takes as `connect`. */
export type Connector = (
  options: ConnectorOptions,
  callback: (...result: [error: null, stream: Duplex] | [error: Error, stream: null]) => void,
) => void

/**
 * For undici: `new Agent({ connect: reachConnector(peer) })`, then `fetch('http://alice/path', { dispatcher })`.
 * @param service default `web`
 * @throws {ReachError} ERR_REACH_NAME
 */
export function reachConnector(
  peer: Peer,
  { service = 'web' }: { readonly service?: string } = {},
): Connector {
  const name = parseServiceName(service)
  return ({ hostname }, callback) => {
    openStream(peer, hostname, name).then(
      (stream) => callback(null, stream),
      (error: unknown) =>
        callback(error instanceof Error ? error : new Error('failed', { cause: error }), null),
    )
  }
}

/** HTTP's first bytes need not wait until the peer has taken the stream. */
async function openStream(peer: Peer, host: string, service: string): Promise<SessionStream> {
  const name = parsePeer(host)
  const session = await peer.sessionWith(name)
  return session.open(service)
}
