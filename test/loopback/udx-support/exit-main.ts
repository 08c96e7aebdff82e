import { once } from 'node:events'
import { openStreamUdp } from '../../../lib/net/stream-udp-socket.ts'

// Opens sockets and streams, leaves them in every way there is, and must then end by itself.

const sockets = await Promise.all(
  Array.from({ length: 256 }, () => openStreamUdp({ family: 'ipv4', ip: '127.0.0.1' })),
)
const open = sockets.filter((socket) => socket !== undefined)
const [a, b] = open
if (a === undefined || b === undefined) throw new Error('no udx-native')
const pair = (id: number) => {
  const streams = [
    a.openStream({ localId: id, remoteId: id + 1, remote: b.local }),
    b.openStream({ localId: id + 1, remoteId: id, remote: a.local }),
  ] as const
  for (const stream of streams) stream.on('error', () => undefined)
  return streams
}

const [ending, answering] = pair(1)
ending.end('all of it')
let received = ''
answering.setEncoding('utf8').on('data', (part: string) => (received += part))
answering.once('end', () => answering.end())
ending.resume()
await Promise.all([once(ending, 'close'), once(answering, 'close')])

const [destroying] = pair(3)
destroying.write(Buffer.alloc(1 << 20))
destroying.destroy()

const [writing] = pair(5)
writing.write(Buffer.alloc(1 << 20))
for (const socket of open) socket.close()
await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
const left = process
  .getActiveResourcesInfo()
  .filter((name) => !name.startsWith('Pipe') && name !== 'Immediate')
process.stdout.write(JSON.stringify({ received, left }))
