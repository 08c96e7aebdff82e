/*
 * Chat: each line goes to all who are there. No member is the server: everybody listens, and dials everybody.
 *
 *   node examples/chat.mjs --home ./alice
 *   node examples/chat.mjs --home ./bob
 *   node examples/chat.mjs --home ./carol                        type lines; Ctrl-C or Ctrl-D leaves
 *
 * Set-up: README.md in this folder.
 */
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { Peer } from 'p2p-reach'

const { values } = parseArgs({ options: { home: { type: 'string' } } })
const peer = await Peer.open({ home: values.home, onEvent: tell })
const input = createInterface({ input: process.stdin })
process.once('SIGINT', () => input.close())

// A name is what the network's authority says it is: nobody can speak as somebody else.
await peer.listen('chat', async (stream, from) => {
  for await (const line of createInterface({ input: stream })) console.log(`${from.name}: ${line}`)
  stream.end()
})
console.log(
  `ready: ${peer.name}, with ${(await others()).map(({ name }) => name).join(', ') || 'nobody yet'}`,
)

for await (const line of input) {
  // A stream for each line: streams of a session cost next to nothing, and there is no state to keep.
  const sent = (await others()).map(async ({ peerId }) => {
    const stream = await peer.connect(`${peerId}/chat`, { signal: AbortSignal.timeout(5000) })
    stream.end(line)
    await text(stream) // ends when it has been read there
  })
  await Promise.allSettled(sent) // who has no chat, or has just left, hears nothing
}
await peer.close()

/** Who can be reached now. */
async function others() {
  return (await peer.peers()).filter(({ peerId }) => peerId !== peer.peerId)
}

/** What there is to say of the network: who is reached how, and who has gone. */
function tell(event) {
  if (event.kind === 'path') console.log(`* ${event.peer.name} by ${event.path.kind} ${event.path.via}`)
  if (event.kind === 'session-ended') console.log(`* ${event.peer.name} has gone`)
}
