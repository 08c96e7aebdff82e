/*
 * Echo: the smallest service, and who talks to it. Nobody opens a port; both dial out.
 *
 *   node examples/echo.mjs --home ./alice                        serves, until Ctrl-C
 *   node examples/echo.mjs --home ./bob alice/echo 'Hello!'      says something, prints what comes back
 *
 * A relay, and home folders that have joined its network: see README.md in this folder.
 */
import { parseArgs } from 'node:util'
import { Peer, ReachError } from 'p2p-reach'

const { values, positionals } = parseArgs({ options: { home: { type: 'string' } }, allowPositionals: true })
const [address, text = 'Hello!'] = positionals

const peer = await Peer.open({ home: values.home })
process.once('SIGINT', () => peer.close())
if (address === undefined) await serve()
else await call()

async function serve() {
  // `from` is who opened the stream: its certificate was checked before we hear of it.
  await peer.listen('echo', (stream, from) => {
    console.log(`echo for ${from.name}`)
    stream.pipe(stream)
  })
  console.log(`ready: ${peer.name}/echo`)
  await peer.closed
}

async function call() {
  try {
    const stream = await peer.connect(address, { signal: AbortSignal.timeout(10_000) })
    stream.end(text)
    for await (const chunk of stream) process.stdout.write(chunk)
    const [path] = peer.session(address.split('/')[0]).currentPaths
    console.log(`\nby ${path?.kind} ${path?.via}`)
  } catch (error) {
    // Every failure has a stable code, and most have a hint what to do.
    if (!ReachError.is(error)) throw error
    console.error(`${error.code}: ${error.message}`, error.hint ?? '')
    process.exitCode = 1
  } finally {
    await peer.close()
  }
}
