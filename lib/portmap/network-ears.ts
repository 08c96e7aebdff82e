import type { Runtime } from '../base/runtime.ts'
import type { AddressFamily } from '../base/transport-address.ts'
import { NetworkChangeWatcher } from '../net/network-change-watcher.ts'
import { Announcements } from './announcements.ts'
import type { GatewayMappers } from './gateway-mappers.ts'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

/** Hears what gateways announce, and sees when this host's network changes. Deaf until it is opened; sends nothing. */
export class NetworkEars {
  readonly #runtime: Runtime
  readonly #mappers: GatewayMappers
  readonly #onChange: () => void
  readonly #announcements: Readonly<Record<AddressFamily, Announcements>>
  #watcher: NetworkChangeWatcher | undefined

  constructor(runtime: Runtime, mappers: GatewayMappers, onChange: () => void) {
    this.#runtime = runtime
    this.#mappers = mappers
    this.#onChange = onChange
    const hearers = () => mappers.hearers()
    this.#announcements = {
      ipv4: new Announcements(runtime, hearers),
      ipv6: new Announcements(runtime, hearers),
    }
  }

  /** Harmless when repeated. */
  open(): void {
    if (this.#watcher !== undefined) return
    const onChange = () => {
      void this.#listen()
      this.#onChange()
    }
    this.#watcher = new NetworkChangeWatcher(this.#runtime, { onChange })
    void this.#watcher.start()
    void this.#listen()
  }

  /** It may be opened again. Idempotent. */
  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    for (const family of FAMILIES) this.#announcements[family].stop()
  }

  /** Joins the groups anew: interfaces may be others. */
  async #listen(): Promise<void> {
    for (const family of FAMILIES) {
      await this.#mappers.current(family)
      if (this.#watcher === undefined) return
      await this.#announcements[family].listen(family, this.#mappers.groupAddresses(family))
    }
  }
}
