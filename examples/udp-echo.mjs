/*
 * UDP echo: datagrams instead of a stream, for what is worth nothing when it is late: games, voice, sensors.
 *
 *   node examples/udp-echo.mjs --home ./alice                    serves, until Ctrl-C
 *   node examples/udp-echo.mjs --home ./bob alice/udp-echo       sends twenty, prints how many came back and how fast
 *
 * A relay, and home folders that have joined its network: see README.md in this folder.
 */
import { parseArgs } from 'node:util'
import { Peer } from 'p2p-reach'

const { values, positionals } = parseArgs({ options: { home: { type: 'string' } }, allowPositionals: true })
const [address] = positionals

const peer = await Peer.open({ home: values.home })
process.once('SIGINT', () => peer.close())
if (address === undefined) await serve()
else await call()

async function serve() {
  // A flow is one conversation: it ends when the other side closes it, or after two minutes of silence.
  await peer.listenDatagrams('udp-echo', async (flow, from) => {
    console.log(`a flow of ${from.name}`)
    for await (const bytes of flow) flow.send(bytes)
    console.log(`the flow of ${from.name} is over`)
  })
  console.log(`ready: ${peer.name}/udp-echo`)
  await peer.closed
}

async function call() {
  const flow = await peer.connectDatagrams(address, { signal: AbortSignal.timeout(10_000) })
  const roundTrips = []
  // Each arrives whole or not at all, so its content is what says which one it is.
  flow.onMessage = (bytes) => roundTrips.push(performance.now() - Number(new TextDecoder().decode(bytes)))
  for (let count = 0; count < 20; count++) {
    flow.send(new TextEncoder().encode(String(performance.now())))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // Nobody says that a datagram was lost: wait as long as the answer is worth.
  for (let waited = 0; roundTrips.length < 20 && waited < 1000; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const median = roundTrips.sort((a, b) => a - b)[Math.floor(roundTrips.length / 2)]
  console.log(`${roundTrips.length} of 20 came back, in ${median?.toFixed(1)} ms`)
  const [path] = peer.session(address.split('/')[0]).currentPaths
  console.log(`by ${path?.kind} ${path?.via}`)
  await flow.close()
  await peer.close()
}
