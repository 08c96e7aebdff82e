import type { RelayStream } from '../base/relay-dialer.ts'
import type { PathAbout } from '../session/path-pipe.ts'

/** What is known of a path over a relay. */
export function aboutRelay(relay: string, { way, local, remote, keepaliveMs }: RelayStream): PathAbout {
  return {
    ...{ kind: 'relay', via: relay, way },
    ...(local === undefined ? {} : { local }),
    ...(remote === undefined ? {} : { remote }),
    ...(keepaliveMs === undefined ? {} : { keepaliveMs }),
  }
}
