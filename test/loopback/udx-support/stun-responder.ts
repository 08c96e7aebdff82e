import type { ExecutionContext } from 'ava'
import type { TransportAddress } from '../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { StunService } from '../../../relay-server/stun-service.ts'

/** The address of a STUN server on loopback that ends with the test. */
export async function stunResponder(t: ExecutionContext, ip = '127.0.0.1'): Promise<TransportAddress> {
  const service = await StunService.open({ addresses: [{ ip, port: 0 }] }, nodeRuntime().clock)
  t.teardown(() => service.close())
  const [address] = service.addresses
  if (address === undefined) throw new Error('the service has an endpoint')
  return address
}
