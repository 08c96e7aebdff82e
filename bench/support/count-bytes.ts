import type { Duplex } from 'node:stream'
import { takeOver } from '../../lib/net/chunk-source.ts'

// Nobody looks at the bytes, so all may share one buffer, where the stream reads into one that it is given.
const sinkBuffer = Buffer.allocUnsafeSlow(1024 * 1024)

/**
 * Counts what comes and answers with the count.
 * @param first bytes that have come already
 * @param isInPlace a stream of a session may write over what it has told, as for `readInPlace`
 */
export function countBytes(stream: Duplex, first: number, isInPlace = false): void {
  let total = first
  const source = takeOver(stream, {
    nextBuffer: () => sinkBuffer,
    onChunk: (_buffer, length) => {
      total += length
      return true
    },
    ...(isInPlace && { giveBack: () => true }),
  })
  total += source.leftover?.length ?? 0
  source.stream.on('error', () => source.stream.destroy())
  source.stream.on('end', () => source.stream.end(`${total}`))
  source.resume()
}
