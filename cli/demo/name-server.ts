import { createSocket } from 'node:dgram'
import { answerQuery } from './name-answers.ts'

/**
 * A name server for one host of an emulated internet: `node name-server.js IP NAME=IP...`. Prints `ready`, answers
 * until it is killed.
 */
const [listenIp = '127.0.0.1', ...entries] = process.argv.slice(2)
const zone = new Map<string, string[]>()
for (const entry of entries) {
  const [name = '', ip = ''] = entry.split('=')
  zone.set(name, [...(zone.get(name) ?? []), ip])
}
const socket = createSocket('udp4')
socket.on('message', (query, from) => {
  const answer = answerQuery(query, zone)
  // Without a callback a refusal of the system would end the process; port 0 would be one of Node's.
  if (answer !== undefined && from.port !== 0) socket.send(answer, from.port, from.address, () => undefined)
})
socket.bind(53, listenIp, () => console.log('ready'))
