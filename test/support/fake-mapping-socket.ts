import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { FakeMappingServer } from './fake-mapping-server.ts'
import type { FakeServerBehavior } from './fake-mapping-server.ts'

/** A {@link FakeMappingServer} on a real socket of the loopback network; answers come from its port, or from another. */
export interface FakeMappingSocket extends AsyncDisposable {
  readonly server: FakeMappingServer
}

const PORT = 5351

/** Serves at 127.x.y.z; each test takes an address of its own. */
export async function serveFakeMapping(
  ip: string,
  behavior: Partial<FakeServerBehavior> = {},
): Promise<FakeMappingSocket> {
  const server = new FakeMappingServer(ip, () => performance.now(), behavior)
  const main = createSocket('udp4')
  const other = createSocket('udp4')
  main.bind(PORT, ip)
  other.bind(0, ip)
  await Promise.all([once(main, 'listening'), once(other, 'listening')])
  const timers = new Set<NodeJS.Timeout>()
  main.on('message', (bytes, from) => {
    for (const answer of server.receive(bytes, transportAddress(from.address, from.port))) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        const socket = answer.fromPort === PORT ? main : other
        socket.send(answer.bytes, from.port, from.address)
      }, answer.delayMs)
      timers.add(timer)
    }
  })
  return {
    server,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer)
      const closed = Promise.all([once(main, 'close'), once(other, 'close')])
      main.close()
      other.close()
      await closed
    },
  }
}
