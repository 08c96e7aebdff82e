import { createServer } from 'node:net'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { Driver } from '../../../../lib/net/driver.ts'
import { NetworkChangeWatcher } from '../../../../lib/net/network-change-watcher.ts'
import { nodeRuntime } from '../../../../lib/net/node-runtime.ts'

// Opens one of everything, closes it, and must then end by itself.

const runtime = nodeRuntime({ interfaces: { includeLoopback: true } })
const { network, clock, resolver, random } = runtime

const udp = await network.openUdp({ family: 'ipv4', ip: '127.0.0.1' })
udp.send(random.bytes(8), udp.local, { ttl: 3 })
udp.close()

const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const address = server.address()
const port = typeof address === 'object' && address !== null ? address.port : 0
const tcp = await network.connectTcp(transportAddress('127.0.0.1', port, 'tcp'))
tcp.destroy()
server.close()

const watcher = new NetworkChangeWatcher(runtime, { onChange: () => undefined })
await watcher.start()
watcher.close()

const machine = {
  deadlineMs: clock.nowMs() + 600_000,
  handle: () => undefined,
  handleTimeout: () => undefined,
  poll: () => undefined,
}
const driver = new Driver<string, never>(machine, clock, () => undefined)
driver.start()
driver.stop()

await network.sourceIpTowards(transportAddress('127.0.0.1', 9))
await network.defaultGateways()
await resolver.lookup('localhost')
process.stdout.write(JSON.stringify({ interfaces: network.interfaces(), random: random.bytes(16).length }))
