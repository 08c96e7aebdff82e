/**
 * Lets so much happen at once in all processes of a test run. Who connects to the port says by its first byte how much it
 * takes, gets a byte when it may begin, and ends its turn with the connection: also when it dies. First come, first
 * served, so that nothing heavy waits for ever.
 */
import { createServer } from 'node:net'

/**
 * Serves on a port of 127.0.0.1 while the process lives, and keeps it from nothing.
 * @param {number} most the sum of what may happen at once; who wants more waits until it is alone
 * @returns {Promise<number>} the port
 */
export function serveTurns(most) {
  const waiting = []
  let taken = 0
  const beginNext = () => {
    while (waiting.length > 0 && taken + waiting[0].weight <= most) {
      const next = waiting.shift()
      taken += next.weight
      next.hasBegun = true
      next.socket.write(Buffer.of(1))
    }
  }
  const server = createServer((socket) => {
    socket.unref()
    socket.on('error', () => socket.destroy())
    socket.once('data', ([weight]) => {
      const turn = { socket, weight: Math.min(weight, most), hasBegun: false }
      waiting.push(turn)
      socket.once('close', () => {
        if (turn.hasBegun) taken -= turn.weight
        else waiting.splice(waiting.indexOf(turn), 1)
        beginNext()
      })
      beginNext()
    })
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server.address().port))
  })
}
