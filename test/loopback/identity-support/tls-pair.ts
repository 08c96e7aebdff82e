import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { aMember, aNetwork } from '../../support/identity.ts'
import type { TransportPair } from './transports.ts'

const { credentials } = await aMember(await aNetwork(), { name: 'alice' })

/** TLS over a connection: who dials, and who was dialled. */
export async function aTlsPair({
  dialling,
  dialled,
}: TransportPair): Promise<readonly [TLSSocket, TLSSocket]> {
  const server = createServer({
    key: credentials.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: credentials.chain.map(({ pem }) => pem).join('\n'),
    minVersion: 'TLSv1.3',
  })
  server.emit('connection', dialled)
  const client = connect({ socket: dialling, rejectUnauthorized: false })
  const secured: unknown[] = await once(server, 'secureConnection')
  const [other] = secured
  client.allowHalfOpen = true
  return [client, other as TLSSocket]
}
