import { ReachError } from '../../base/errors.ts'

/** Ours: no honest message is longer. */
const MAX_LENGTH = 4096

/** A message of SSDP: HTTP's start line and headers in one datagram (UPnP Device Architecture 1.1 §1). */
export interface SsdpMessage {
  readonly startLine: string
  /** By name in lower case; of several with one name the last counts. */
  readonly headers: ReadonlyMap<string, string>
}

/**
 * Reads start line and headers: names in any case, lines ended by CRLF or LF, lines without a colon ignored.
 * @throws {ReachError} ERR_REACH_DECODE when there are more than 4096 bytes
 */
export function decodeSsdpMessage(bytes: Uint8Array): SsdpMessage {
  if (bytes.length > MAX_LENGTH)
    throw new ReachError('ERR_REACH_DECODE', `${bytes.length} bytes are too long for SSDP`)
  const [startLine = '', ...lines] = new TextDecoder().decode(bytes).split(/\r?\n/)
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return { startLine, headers }
}

/** UPnP Device Architecture 1.1 §1.2.2: a number that grows when the device starts anew; absent in version 1.0. */
export function bootIdOf(headers: ReadonlyMap<string, string>, name = 'bootid.upnp.org'): number | undefined {
  const text = headers.get(name)
  return text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined
}
