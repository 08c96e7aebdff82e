import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

/**
 * A UDP socket that a test drives from another network namespace.
 *
 * `udp-agent.js LOCAL_PORT` prints `ready`, then obeys lines of stdin (`send IP PORT TEXT`) and prints `sent TEXT`
 * once the packet is on its way, and `got IP PORT TEXT` for each packet that comes.
 */
const socket = createSocket('udp4')
socket.on('message', (message, from) => {
  console.log(`got ${from.address} ${from.port} ${message.toString()}`)
})
// A refused packet (ICMP port unreachable) comes back as an error of the next call: news for the test, not an end.
socket.on('error', (error) => console.log(`error ${error.message}`))
socket.bind(Number(process.argv[2]), () => console.log('ready'))

createInterface({ input: process.stdin }).on('line', (line) => {
  const [, ip, port, text] = /^send (\S+) (\d+) (.*)$/.exec(line) ?? []
  if (ip === undefined || port === undefined || text === undefined) throw new Error(`not a command: ${line}`)
  socket.send(text, Number(port), ip, (error) =>
    console.log(error === null ? `sent ${text}` : `error ${error.message}`),
  )
})
