import { ReachError } from '../../base/errors.ts'
import { bootIdOf, decodeSsdpMessage } from './ssdp-message.ts'

/** What a device says unasked to the multicast group (UPnP Device Architecture 1.1 §1.2). */
export interface SsdpNotify {
  /** It is there, it leaves, or it is about to change its boot id without leaving. */
  readonly kind: 'alive' | 'byebye' | 'update'
  /** Unique service name: `uuid:…`, then mostly `::` and the type. */
  readonly usn: string
  /** Changes when the device starts anew; UPnP 1.0 has none. */
  readonly bootId: number | undefined
  /** For `update`: the boot id from then on. */
  readonly nextBootId: number | undefined
}

const KINDS: ReadonlyMap<string, SsdpNotify['kind']> = new Map([
  ['ssdp:alive', 'alive'],
  ['ssdp:byebye', 'byebye'],
  ['ssdp:update', 'update'],
])

/**
 * Reads a NOTIFY, leniently: see {@link decodeSsdpMessage}.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeNotify(bytes: Uint8Array): SsdpNotify {
  const { startLine, headers } = decodeSsdpMessage(bytes)
  if (!/^NOTIFY \* HTTP\/1\.[01]\s*$/.test(startLine)) throw new ReachError('ERR_REACH_DECODE', 'no NOTIFY')
  const kind = KINDS.get(headers.get('nts')?.toLowerCase() ?? '')
  const usn = headers.get('usn')
  if (kind === undefined || usn === undefined)
    throw new ReachError('ERR_REACH_DECODE', 'a NOTIFY needs NTS and USN')
  return {
    kind,
    usn,
    bootId: bootIdOf(headers),
    nextBootId: bootIdOf(headers, 'nextbootid.upnp.org'),
  }
}

/** The device's own part of a unique service name, `uuid:…`, in lower case. */
export function deviceOfUsn(usn: string): string {
  return (usn.split('::')[0] ?? usn).toLowerCase()
}
