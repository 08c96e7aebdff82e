import test from 'ava'
import { openUdpServer } from '../../lib/net/udp-server.ts'
import { openUdp } from '../../lib/net/udp-socket.ts'

test('regression: an answer to port 0, which anybody can ask for, ended the process', async (t) => {
  using client = await openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  const server = await openUdpServer({ ip: '127.0.0.1', port: 0 }, (bytes, ip, port) => {
    t.notThrows(() => server.send(bytes, 0, ip))
    server.send(bytes, port, ip)
  })
  const answered = new Promise<number>((resolve) => (client.onPacket = ({ bytes }) => resolve(bytes.length)))
  client.send(new Uint8Array(3), server.local)
  t.is(await answered, 3)
  server.close()
  server.close()
  server.send(new Uint8Array(1), client.local.port, '127.0.0.1')
})
