import type { Endpoint } from '../../lib/index.ts'
import { formatEndpoint, formatSpan } from '../../lib/index.ts'
import type { RelayServer } from '../../relay-server/relay-server.ts'
import type { Output } from '../output.ts'

/** Ours: members leave a relay that drains within 2 s (lib/peer/path-mender.ts); the rest is for dials that are slow. */
const DEFAULT_DRAIN_MS = 5000

/** How a relay is to end. */
export interface RelayDrainCommand {
  /** How long paths may go on; undefined: some seconds where the network has another relay, else no time. */
  readonly drainMs: number | undefined
  readonly json: boolean
}

/**
 * Members take their paths elsewhere before the relay ends, if there is an elsewhere. Where there is none, waiting would only
 * make it longer until the relay is back.
 * @param own where others reach this relay
 */
export async function drainRelay(
  relay: RelayServer,
  { drainMs, json }: RelayDrainCommand,
  own: readonly Endpoint[],
  output: Pick<Output, 'say' | 'event'>,
): Promise<void> {
  const { network } = relay
  if (network === undefined) return
  const ownAddresses = new Set(own.map(formatEndpoint))
  const hasOthers = network.network.state().relays.some((address) => !ownAddresses.has(address))
  const graceMs = drainMs ?? (hasOthers ? DEFAULT_DRAIN_MS : 0)
  const { paths } = network.counters
  if (graceMs === 0 || paths === 0) return
  if (json) output.event({ event: 'draining', paths, graceMs })
  else {
    const moved = paths === 1 ? 'its path has gone elsewhere' : `its ${paths} paths have gone elsewhere`
    output.say(
      `p2p-reach: closing once ${moved}, or in ${formatSpan(graceMs)}; interrupt again to close at once\n`,
    )
  }
  await relay.drain({ graceMs })
}
