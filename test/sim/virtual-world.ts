import type { SeededRandom } from './seeded-random.ts'
import type { VirtualClock } from './virtual-clock.ts'
import type { IpTable } from './virtual-ip-table.ts'
import type { PayloadPool } from './virtual-payload-pool.ts'
import type { PacketTrace } from './virtual-trace.ts'

/** What all parts of one virtual internet share. */
export interface World {
  readonly clock: VirtualClock
  readonly ips: IpTable
  readonly trace: PacketTrace
  readonly payloads: PayloadPool
  /** Fork it with the part's name; don't draw from it. */
  readonly random: SeededRandom
}
