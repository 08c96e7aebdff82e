import { connect, createServer } from 'node:net'

/**
 * TCP for tests in network namespaces. `tcp-agent.js listen PORT...` prints `ready` and greets who connects;
 * `tcp-agent.js dial IP PORT TIMEOUT_MS` prints `connected`, the error's code, or `timeout`.
 */
const [mode, ...parameters] = process.argv.slice(2)

if (mode === 'listen') {
  const servers = parameters.map((port) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined) // who dials hangs up as soon as it is connected
      socket.end('hello\n')
    })
    return new Promise<void>((resolve) => server.listen(Number(port), resolve))
  })
  await Promise.all(servers)
  console.log('ready')
} else {
  const [host = '', port = '', timeoutMs = ''] = parameters
  const socket = connect({ host, port: Number(port) })
  const timer = setTimeout(() => finish('timeout'), Number(timeoutMs))
  const finish = (outcome: string) => {
    clearTimeout(timer)
    console.log(outcome)
    socket.destroy()
  }
  socket.once('connect', () => finish('connected'))
  socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
}
