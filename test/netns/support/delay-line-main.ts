import { createSocket } from 'node:dgram'

/** `delay-line-main.js DELAY_MS LISTEN_PORT TARGET_PORT`: hands each datagram on, so much later. Prints `ready`. */
const [delayMs = 0, listenPort = 0, targetPort = 0] = process.argv.slice(2).map(Number)
const socket = createSocket('udp4')
socket.on('message', (packet) => {
  setTimeout(() => socket.send(packet, targetPort, '127.0.0.1'), delayMs)
})
socket.bind(listenPort, '127.0.0.1', () => console.log('ready'))
