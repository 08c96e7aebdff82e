/*
 * A web server behind a NAT: an ordinary `http.Server` that listens on no port, and two ways to ask it.
 *
 *   node examples/web.mjs --home ./alice                         serves, until Ctrl-C
 *   node examples/web.mjs --home ./bob http://alice/             asks it, with node:http and with undici
 *
 * The second needs `npm install undici`. Set-up: README.md in this folder.
 */
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { Agent, fetch } from 'undici'
import { Peer, ReachAgent, reachConnector } from 'p2p-reach'

const { values, positionals } = parseArgs({ options: { home: { type: 'string' } }, allowPositionals: true })
const [url] = positionals

const peer = await Peer.open({ home: values.home })
if (url === undefined) await serve()
else await ask()

async function serve() {
  const server = http.createServer((request, response) => {
    console.log(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'text/plain')
    response.end(`${request.url} of ${peer.name}, who has no port open\n`)
  })
  // What Node checks only for servers with a port (`headersTimeout`, `requestTimeout`), this does for ours.
  server.timeout = 60_000
  process.once('SIGINT', () => {
    server.close() // connections that rest; those at work may come to their end
    void peer.close()
  })

  await peer.listen('web', server)
  console.log(`ready: http://${peer.name}/`)
  await peer.closed
}

async function ask() {
  process.once('SIGINT', () => peer.close())

  // node:http, and all that is built on it, takes an agent.
  const agent = new ReachAgent(peer)
  const response = await new Promise((resolve, reject) => {
    http.get(url, { agent }, resolve).once('error', reject)
  })
  console.log(`node:http ${response.statusCode}: ${(await text(response)).trim()}`)

  // undici, and its fetch, take a dispatcher.
  const dispatcher = new Agent({ connect: reachConnector(peer) })
  const fetched = await fetch(url, { dispatcher })
  console.log(`undici ${fetched.status}: ${(await fetched.text()).trim()}`)

  const [path] = peer.session(new URL(url).hostname).currentPaths
  console.log(`by ${path?.kind} ${path?.via}`)
  agent.destroy()
  await dispatcher.close()
  await peer.close()
}
