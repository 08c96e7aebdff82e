import { ipScope } from '../base/ip-range.ts'
import type { Runtime } from '../base/runtime.ts'
import { NetworkChangeWatcher } from '../net/network-change-watcher.ts'
import type { SessionHost } from '../session/session-host.ts'
import type { RelayLinks } from './relay-links.ts'
import type { SshRelays } from './ssh-relays.ts'

/** Who hears of changes of the network. */
export interface NetworkWatchSetup {
  readonly runtime: Runtime
  readonly host: SessionHost
  readonly links: RelayLinks
  readonly ssh: SshRelays | undefined
  /** Before direct paths are looked for anew. */
  readonly onChange: () => void
}

/**
 * Looks whether this host is in another network, or has slept: paths from addresses that are gone are dropped, whatever else
 * is connected is asked whether it lives, and better ways to the relays are tried.
 */
export class NetworkWatch implements Disposable {
  readonly #setup: NetworkWatchSetup
  readonly #watcher: NetworkChangeWatcher

  constructor(setup: NetworkWatchSetup) {
    this.#setup = setup
    this.#watcher = new NetworkChangeWatcher(setup.runtime, { onChange: () => this.#changed() })
  }

  start(): void {
    void this.#watcher.start()
  }

  /** Looks now rather than at the next interval. */
  check(): void {
    void this.#watcher.check()
  }

  [Symbol.dispose](): void {
    this.#watcher.close()
  }

  #changed(): void {
    const { runtime, host, links, ssh, onChange } = this.#setup
    const ours = new Set(
      runtime.network.interfaces().flatMap(({ addresses }) => addresses.map(({ ip }) => ip)),
    )
    for (const session of host.sessions) {
      session.dropPathsWithout((ip) => ours.has(ip) || ipScope(ip) === 'loopback')
      session.probe()
    }
    links.networkChanged()
    ssh?.probe()
    onChange()
  }
}
