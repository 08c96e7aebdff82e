import type { RelayDialer, RelayStream } from '../../lib/base/relay-dialer.ts'
import type { Endpoint } from '../../lib/base/endpoint.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { proxiesFor } from '../../lib/net/outward/proxy-environment.ts'
import { openRung, rungsOf } from '../../lib/ways/way-rung.ts'
import type { Rung } from '../../lib/ways/way-rung.ts'

/**
 * Reaches relays in one way and no other; `tls` puts data in TLS.
 * @param proxy an URL, for the ways that lead through one
 */
export function oneWay(way: string, proxy: string | undefined): RelayDialer {
  const runtime = nodeRuntime({ interfaces: { includeLoopback: true } })
  const open = (rung: Rung, relay: Endpoint, signal: AbortSignal): Promise<RelayStream> =>
    openRung(rung, { runtime, relay, signal, addresses: () => Promise.resolve([relay.host]) })
  const rungFor = (relay: Endpoint): Rung => {
    const env = proxy === undefined ? {} : { ALL_PROXY: proxy }
    const found = rungsOf(proxiesFor(env, relay)).find(
      (rung) => rung.way === (way === 'tls' ? 'direct' : way),
    )
    if (found === undefined) throw new Error(`there is no way ${way}`)
    return found
  }
  return {
    async dial(relay, trial, signal) {
      const rung = rungFor(relay)
      const leg: Rung = way === 'tls' ? { ...rung, carrier: 'tls', way } : rung
      const stream = await open(rung, relay, signal)
      return await trial.open(
        { ...stream, openLeg: (during) => open(leg, relay, during), wasCut: () => undefined },
        signal,
      )
    },
    improve: () => Promise.resolve(undefined),
  }
}
