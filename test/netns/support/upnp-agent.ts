import { createInterface } from 'node:readline'
import { ReachError } from '../../../lib/base/errors.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import type { AddressFamily, Transport } from '../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { clientAddress } from '../../../lib/portmap/client-address.ts'
import { UpnpMapper } from '../../../lib/portmap/upnp-mapper.ts'
import type { MappingGrant } from '../../../lib/protocol/port-mapping/mapping.ts'

/*
 * A UPnP mapper that a test drives from another network namespace. `upnp-agent.js ipv4|ipv6` prints `ready`, obeys lines
 * of stdin and answers each with one line of JSON: the grant, `{}` for a removal, or an error's code and details.
 *
 *   map TRANSPORT PORT EXTERNAL|any|EXTERNAL! LIFETIME      `!`: this port or none
 *   renew LIFETIME GRANT
 *   unmap GRANT
 *
 * `reset` is printed whenever the gateway has lost its mappings.
 */

const family: AddressFamily = process.argv[2] === 'ipv6' ? 'ipv6' : 'ipv4'
const runtime = nodeRuntime()
const gateway = (await runtime.network.defaultGateways()).find((one) => one.family === family)
if (gateway === undefined) throw new Error('no gateway')
const clientIp = await clientAddress(runtime.network, gateway)
if (clientIp === undefined) throw new Error('no address')
const mapper = new UpnpMapper({ runtime, gateway, clientIp })
mapper.onReset = () => console.log('reset')

async function map(transport: Transport, port: number, external: string, lifetimeS: number): Promise<object> {
  return mapper.map({
    internal: transportAddress(clientIp ?? '', port, transport),
    externalPort: external === 'any' ? undefined : Number.parseInt(external, 10),
    acceptsOtherPort: !external.endsWith('!'),
    lifetimeS,
    nonce: '0'.repeat(24),
  })
}

function grantOf(json: string): MappingGrant {
  return JSON.parse(json) as MappingGrant
}

async function obey(line: string): Promise<object> {
  const [verb = '', ...rest] = line.split(' ')
  switch (verb) {
    case 'map': {
      const [transport, port, external = 'any', lifetimeS] = rest
      return map(transport === 'tcp' ? 'tcp' : 'udp', Number(port), external, Number(lifetimeS))
    }
    case 'renew':
      return mapper.renew(grantOf(rest.slice(1).join(' ')), Number(rest[0]))
    case 'unmap':
      await mapper.unmap(grantOf(rest.join(' ')))
      return {}
    default:
      throw new Error(`not a command: ${line}`)
  }
}

/** As a lease does after a while: a gateway that has no processor time beside other tests may answer the next time. */
async function obeyInTheEnd(line: string, tries = 5): Promise<object> {
  try {
    return await obey(line)
  } catch (error) {
    if (tries > 1 && ReachError.is(error, 'ERR_REACH_TIMEOUT')) return obeyInTheEnd(line, tries - 1)
    throw error
  }
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await obeyInTheEnd(line)))
  } catch (error) {
    if (!ReachError.is(error)) throw error
    console.log(JSON.stringify({ code: error.code, message: error.message, details: error.details }))
  }
}
mapper.close()
