import type { Duplex } from 'node:stream'
import { takeOver } from '../../lib/net/chunk-source.ts'

// Nobody looks at the bytes, so all may share one buffer.
const sinkBuffer = Buffer.allocUnsafeSlow(1024 * 1024)

/** Counts what comes and answers with the count. @param first bytes that have come already */
export function countBytes(stream: Duplex, first: number): void {
  let total = first
  const source = takeOver(stream, {
    nextBuffer: () => sinkBuffer,
    onChunk: (_buffer, length) => {
      total += length
      return true
    },
  })
  total += source.leftover?.length ?? 0
  source.stream.on('error', () => source.stream.destroy())
  source.stream.on('end', () => source.stream.end(`${total}`))
  source.resume()
}
