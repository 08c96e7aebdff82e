/*
 * File transfer: with progress, checked by its hash, and under its name only when it is whole.
 *
 *   node examples/send-file.mjs --home ./alice --into ./inbox            receives, until Ctrl-C
 *   node examples/send-file.mjs --home ./bob alice/files ./photo.jpg     sends
 *
 * On the wire: a line of JSON { name, size, sha256 }, then the file; the answer is a line. Set-up: README.md in this folder.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { Peer } from 'p2p-reach'

const { values, positionals } = parseArgs({
  options: { home: { type: 'string' }, into: { type: 'string', default: '.' } },
  allowPositionals: true,
})
const [address, file] = positionals

const peer = await Peer.open({ home: values.home })
process.once('SIGINT', () => peer.close())
if (address === undefined) await receive()
else await send()

async function send() {
  const { size } = await stat(file)
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  const header = JSON.stringify({ name: basename(file), size, sha256: hash.digest('hex') })

  // The header travels together with the name of the service: no round trip is spent on it.
  const stream = await peer.connect(address, { firstBytes: Buffer.from(`${header}\n`) })
  const answer = text(stream)
  await pipeline(createReadStream(file), progress(size), stream)
  console.log((await answer).trim())
  const [path] = peer.session(address.split('/')[0]).currentPaths
  console.log(`by ${path?.kind} ${path?.via}`)
  await peer.close()
}

async function receive() {
  await mkdir(values.into, { recursive: true })
  await peer.listen('files', async (stream, from) => {
    const { name, size, sha256 } = await headerOf(stream)
    // The name is what somebody else says: it must not lead out of the folder, nor hide in it.
    const target = join(values.into, basename(name).replace(/^\.+/, '') || 'unnamed')
    const part = join(values.into, `.${randomUUID()}.part`)
    const hash = createHash('sha256')
    try {
      await pipeline(stream, progress(size, hash), createWriteStream(part, { flags: 'wx' }))
      const isWhole = hash.digest('hex') === sha256
      if (isWhole) await rename(part, target)
      console.log(`${target} from ${from.name}: ${isWhole ? `whole, ${size} bytes` : 'damaged, not kept'}`)
      stream.end(isWhole ? `${sha256}\n` : 'damaged\n')
    } finally {
      await rm(part, { force: true })
    }
  })
  console.log(`ready: ${peer.name}/files`)
  await peer.closed
}

/** Reads the first line; what follows it stays in the stream. */
async function headerOf(stream) {
  let head = Buffer.alloc(0)
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\n')
    if (end >= 0) {
      stream.unshift(head.subarray(end + 1))
      return JSON.parse(head.subarray(0, end).toString())
    }
    if (head.length > 4096) break
  }
  throw new Error('no header')
}

/** Passes on what it gets, adds it to the hash, and tells how much there is still to come. */
function progress(size, hash) {
  let done = 0
  return new Transform({
    transform(chunk, _encoding, callback) {
      hash?.update(chunk)
      done += chunk.length
      if (process.stderr.isTTY) process.stderr.write(`\r${Math.floor((100 * done) / size)} %`)
      callback(null, chunk)
    },
  })
}
