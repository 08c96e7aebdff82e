import type { Runtime } from '../base/runtime.ts'
import { parseGatewayUrl } from '../protocol/port-mapping/gateway-url.ts'
import { parseIgdDescription } from '../protocol/port-mapping/igd-description.ts'
import type { IgdDescription } from '../protocol/port-mapping/igd-description.ts'
import { askGateway } from './gateway-http.ts'
import type { UpnpAnswer } from './upnp-search.ts'

/** A device as it showed itself in a search: what tells its announcements from those of others. */
export interface UpnpDevice {
  readonly ip: string
  /** `uuid:…` in lower case; undefined when it did not say. */
  readonly udn: string | undefined
  readonly bootId: number | undefined
}

/**
 * Fetches the description of a device that answered, from the very address that answered.
 * @throws {ReachError} ERR_REACH_TIMEOUT, ERR_REACH_SOCKET; ERR_REACH_DECODE for a URL that leads elsewhere, a body of
 * more than 256 KiB, or what is no description. A status other than 200 is a device without services.
 */
export async function fetchDescription(
  runtime: Runtime,
  { response, answeredBy }: UpnpAnswer,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<IgdDescription> {
  const location = parseGatewayUrl(response.location ?? '', answeredBy)
  const { status, body } = await askGateway(runtime, location, { method: 'GET', ...options })
  // Redirects are not followed: they could lead anywhere.
  return status === 200 ? parseIgdDescription(body, location) : NOTHING
}

/** A device that does not describe itself. */
const NOTHING: IgdDescription = { name: undefined, model: undefined, udn: '', services: [] }
