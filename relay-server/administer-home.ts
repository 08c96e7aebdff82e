import { parseEndpoint } from '../lib/base/endpoint.ts'
import { ReachError } from '../lib/base/errors.ts'
import { JsonReader } from '../lib/base/json-reader.ts'
import type { Runtime } from '../lib/base/runtime.ts'
import type { AdminRequest } from '../lib/protocol/relay/admin-request.ts'
import { Authority } from './authority/authority.ts'
import { hasAuthority } from './authority/create-authority.ts'
import { AdminService } from './control/admin-service.ts'
import { askLocally, holdHome } from './local-admin.ts'
import { readHostKey } from './ssh/host-key.ts'

/**
 * Administers the network whose authority is in a home folder: through the relay that runs on it, or by itself when
 * none does. Undefined when the home holds no network.
 * @throws {ReachError} what the request fails with
 */
export async function administerHome(
  runtime: Runtime,
  home: string,
  request: AdminRequest,
): Promise<JsonReader | undefined> {
  if (!(await hasAuthority(home))) return undefined
  const answer = await askLocally(home, request)
  if (answer !== undefined) return answer
  const held = await holdHome(home)
  try {
    const authority = await Authority.open({
      home,
      random: runtime.random,
      wallMs: () => runtime.clock.wallMs(),
    })
    try {
      const relays = () => ownAddresses(authority)
      const service = new AdminService(authority, {
        relays,
        isConnected: () => false,
        connectedCount: () => 0,
        ssh: {
          hostKey: async () => (await readHostKey(home))?.fingerprint,
          connectionsOf: () => 0,
          exposedBy: () => [],
        },
      })
      const result: unknown = JSON.parse(
        JSON.stringify(await service.handle(request, 'the operator of the relay')),
      )
      return JsonReader.of(result, 'admin result')
    } finally {
      await authority.close()
    }
  } finally {
    await held.close()
  }
}

/** Where the relay was reached when it last ran. */
function ownAddresses(authority: Authority): readonly ReturnType<typeof parseEndpoint>[] {
  const relays = [...authority.ledger.members.values()].filter(({ role }) => role === 'relay')
  const addresses = relays.flatMap((relay) => (relay.revokedAtMs === undefined ? relay.addresses : []))
  if (addresses.length > 0) return addresses.map((text) => parseEndpoint(text))
  throw new ReachError('ERR_REACH_NO_AUTHORITY', 'it is not known yet where the relay can be reached', {
    hint: 'start it once with  p2p-reach relay up',
  })
}
