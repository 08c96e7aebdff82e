import { once } from 'node:events'
import type { Duplex } from 'node:stream'

/** Writes of this length suit TLS best (16 KiB cost it 1.6 times the CPU), and plain TCP well. */
export const CHUNK = Buffer.alloc(256 * 1024, 'x')
const PING = Buffer.alloc(1024, 'x')

/** Asks to be counted, sends chunks until it is time, ends, and waits until the other end has counted as much; answers how much. */
export async function sendCounted(
  stream: Duplex,
  ask: string,
  endMs: number,
  chunk: Buffer = CHUNK,
): Promise<number> {
  let sent = 0
  stream.write(ask)
  while (performance.now() < endMs) {
    sent += chunk.length
    if (!stream.write(chunk) && stream.writableLength > 0) await once(stream, 'drain')
  }
  stream.end()
  let answer = ''
  for await (const part of stream) answer += String(part)
  if (Number(answer) !== sent) throw new Error(`sent ${sent} bytes, ${answer || 'none'} arrived`)
  return sent
}

/** Asks for an echo, and measures round trips of 1 KiB one after the other; the first ones do not count. */
export async function pingPong(stream: Duplex, ask: string, warmUp: number, seconds: number) {
  stream.write(ask)
  for (let i = 0; i < warmUp; i++) await roundTrip(stream)
  const timesUs: number[] = []
  const endMs = performance.now() + seconds * 1000
  for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
    await roundTrip(stream)
    timesUs.push((performance.now() - sentMs) * 1000)
  }
  stream.destroy()
  timesUs.sort((a, b) => a - b)
  const at = (part: number) => timesUs[Math.floor(timesUs.length * part)] ?? null
  return { p50Us: at(0.5), p99Us: at(0.99), count: timesUs.length }
}

/** Sends a message, 1 KiB unless another is given, and waits until as much has come back. */
export function roundTrip(stream: Duplex, message: Buffer = PING): Promise<void> {
  return new Promise((resolve) => {
    let left = message.length
    const onData = (part: Uint8Array) => {
      left -= part.length
      if (left > 0) return
      stream.off('data', onData)
      resolve()
    }
    stream.on('data', onData)
    stream.write(message)
  })
}
