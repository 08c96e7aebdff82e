import type { Runtime } from '../base/runtime.ts'
import { parseGatewayUrl } from '../protocol/port-mapping/gateway-url.ts'
import { parseIgdDescription } from '../protocol/port-mapping/igd-description.ts'
import type { IgdDescription } from '../protocol/port-mapping/igd-description.ts'
import { askGateway } from './gateway-http.ts'
import type { UpnpAnswer } from './upnp-search.ts'

/** Ours: a description is a file that the router has at hand; who drips it is not worth waiting for. */
const DESCRIPTION_TIMEOUT_MS = 1000

/**
 * Fetches the description of a device that answered, from the very address that answered.
 * @param localIp where to ask from; default: as the system picks
 * @throws {ReachError} ERR_REACH_TIMEOUT, ERR_REACH_SOCKET; ERR_REACH_DECODE for a URL that leads elsewhere,
 * a body of more than 256 KiB, or what is no description. A status other than 200 is a device without services.
 */
export async function fetchDescription(
  runtime: Runtime,
  { response, answeredBy }: UpnpAnswer,
  options: { readonly localIp?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<IgdDescription> {
  const location = parseGatewayUrl(response.location ?? '', answeredBy)
  const { status, body } = await askGateway(runtime, location, {
    method: 'GET',
    timeoutMs: DESCRIPTION_TIMEOUT_MS,
    ...options,
  })
  // Redirects are not followed: they could lead anywhere.
  return status === 200 ? parseIgdDescription(body, location) : NOTHING
}

/** A device that does not describe itself. */
const NOTHING: IgdDescription = { name: undefined, model: undefined, udn: '', services: [] }
