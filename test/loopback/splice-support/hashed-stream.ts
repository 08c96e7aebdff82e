import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SeededRandom } from '../../sim/seeded-random.ts'

const MAX_CHUNK_BYTES = 300_000
/** A reader stops about once in so many chunks, for up to so many turns of the event loop. */
const STOP_ONE_IN = 6
const MAX_STOP_TURNS = 300

/** Sends bytes that nobody could guess, in pieces of all sizes, ends, and tells their hash. */
export async function sendHashed(stream: Duplex, bytes: number, random: SeededRandom): Promise<string> {
  const hash = createHash('sha256')
  for (let left = bytes; left > 0;) {
    const chunk = random.bytes(Math.min(left, random.int(1, MAX_CHUNK_BYTES)))
    hash.update(chunk)
    left -= chunk.length
    if (!stream.write(chunk)) await once(stream, 'drain')
  }
  stream.end()
  return hash.digest('hex')
}

/** The hash of all that comes until the end; `random` makes the reader stop and go. */
export async function receiveHashed(stream: Readable, random?: SeededRandom): Promise<string> {
  const hash = createHash('sha256')
  // A plain loop would destroy the stream when it ends, and cut off what we still send.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a stream of bytes is needed')
    hash.update(chunk)
    if (random?.int(1, STOP_ONE_IN) !== 1) continue
    for (let turns = random.int(1, MAX_STOP_TURNS); turns > 0; turns--) await nextTurn()
  }
  return hash.digest('hex')
}
