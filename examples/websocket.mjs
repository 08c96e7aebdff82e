/*
 * WebSockets: a counter that all members see and can turn, with the package `ws` at both ends (`npm install ws`).
 *
 *   node examples/websocket.mjs --home ./alice                   holds the counter, until Ctrl-C
 *   node examples/websocket.mjs --home ./bob ws://alice/         shows it; each Enter adds one; Ctrl-C leaves
 *
 * Set-up: README.md in this folder.
 */
import http from 'node:http'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { WebSocket, WebSocketServer } from 'ws'
import { Peer, ReachAgent } from 'p2p-reach'

const { values, positionals } = parseArgs({ options: { home: { type: 'string' } }, allowPositionals: true })
const [url] = positionals

const peer = await Peer.open({ home: values.home })
if (url === undefined) await serve()
else await show()

async function serve() {
  const server = http.createServer((_request, response) => response.writeHead(426).end())
  const sockets = new WebSocketServer({ server, maxPayload: 1024 })
  /** Who opened a stream: the request knows its stream, and the stream is all that we need to know who asks. */
  const members = new WeakMap()
  let count = 0

  const tellAll = (by) => {
    for (const socket of sockets.clients) socket.send(JSON.stringify({ count, by }))
  }
  sockets.on('connection', (socket, request) => {
    const { name } = members.get(request.socket)
    socket.on('error', (error) => console.error(`${name}: ${error.message}`))
    socket.on('message', () => {
      count++
      console.log(`${name}: ${count}`)
      tellAll(name)
    })
    socket.send(JSON.stringify({ count }))
  })
  process.once('SIGINT', () => {
    for (const socket of sockets.clients) socket.close(1001)
    server.close()
    void peer.close()
  })

  await peer.listen('live', (stream, from) => {
    members.set(stream, from)
    server.emit('connection', stream)
  })
  console.log(`ready: ws://${peer.name}/`)
  await peer.closed
}

async function show() {
  const socket = new WebSocket(url, { agent: new ReachAgent(peer, { service: 'live' }) })
  const input = createInterface({ input: process.stdin })
  process.once('SIGINT', () => socket.close())

  socket.on('open', () => {
    const [path] = peer.session(new URL(url).hostname).currentPaths
    console.log(`connected by ${path?.kind} ${path?.via}`)
    input.on('line', () => socket.send('+1'))
  })
  socket.on('message', (message) => console.log(String(message)))
  socket.on('error', (error) => console.error(error.message))
  await new Promise((resolve) => socket.once('close', resolve))
  input.close()
  await peer.close()
}
