import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { OpenDecision, OpenRequest } from '../session/open-decision.ts'
import type { SessionStream } from '../session/session-stream.ts'
import type { DirectPaths } from './direct/direct-paths.ts'
import type { PeerLife } from './peer-life.ts'
import type { Exposure, ListenOptions } from './peer-options.ts'
import type { Presence } from './presence.ts'
import { DIRECT_SERVICE } from './service-address.ts'
import { ServiceTable } from './service-table.ts'

/** What a peer exposes, and where it is announced. */
export class Exposures {
  readonly services = new ServiceTable()
  readonly #life: PeerLife
  readonly #presence: Presence

  constructor(life: PeerLife, presence: Presence) {
    this.#life = life
    this.#presence = presence
  }

  /**
   * Resolves when somebody knows that we can be reached.
   * @param add puts the service into the table; the result takes it away again
   * @throws {ReachError} what `add` throws, and registering
   */
  async expose(service: string, add: () => () => void, { signal }: ListenOptions): Promise<Exposure> {
    this.#life.checkOpen()
    const remove = add()
    try {
      await this.#presence.register(signal)
    } catch (error) {
      remove()
      throw error
    }
    const close = () => {
      remove()
      return Promise.resolve()
    }
    return { service, close, [Symbol.asyncDispose]: close }
  }

  /** Decides about a stream that a peer opens. @param direct serves those that look for direct paths */
  decide(request: OpenRequest, direct: DirectPaths | undefined): OpenDecision {
    if (direct === undefined || request.service !== DIRECT_SERVICE) return this.services.decide(request)
    const serve = (stream: SessionStream, peer: PeerIdentity) => {
      stream.accept()
      direct.serve(stream, peer)
    }
    return { kind: 'allowed', serve }
  }
}
