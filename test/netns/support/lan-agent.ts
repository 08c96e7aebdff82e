import { createInterface } from 'node:readline'
import { formatAddress } from '../../../lib/base/transport-address.ts'
import { isPeerId } from '../../../lib/base/peer-id.ts'
import { LanPeers, newInstance } from '../../../lib/lan/lan-peers.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'

/**
 * A peer on a LAN that a test drives. `lan-agent.js NETWORK PEERID PORT` prints `ready`, then obeys lines of stdin: `find
 * PEERID` prints `found ADDRESS…`, `look` prints `seen COUNT`, `close` takes its leave and ends.
 */
const [network = '', peerId = '', port = ''] = process.argv.slice(2)
const runtime = nodeRuntime()
const self = isPeerId(peerId) ? { peerId, instance: newInstance(runtime), port: Number(port) } : undefined
const peers = await LanPeers.open({ runtime, network, self })
console.log('ready')

createInterface({ input: process.stdin }).on('line', (line) => void obey(line))

async function obey(line: string): Promise<void> {
  const [order = '', whom = ''] = line.split(' ')
  if (order === 'find' && isPeerId(whom)) {
    const found = (await peers.find(whom)).flatMap(({ addresses }) => addresses)
    console.log(['found', ...found.map(formatAddress)].join(' '))
  } else if (order === 'look') {
    console.log(`seen ${(await peers.look()).length}`)
  } else if (order === 'close') {
    await peers.close()
    process.exit()
  } else {
    throw new Error(`not an order: ${line}`)
  }
}
