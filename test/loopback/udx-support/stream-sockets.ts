import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { ExecutionContext } from 'ava'
import type { Runtime, StreamUdpSocket, UdpPacket } from '../../../lib/base/runtime.ts'
import type { AddressFamily } from '../../../lib/base/transport-address.ts'
import { loadUdx } from '../../../lib/net/udx-native.ts'
import { openStreamUdp } from '../../../lib/net/stream-udp-socket.ts'

/** Why nothing of these files can run here; undefined where it can. */
export async function whyNoUdx(): Promise<string | undefined> {
  return (await loadUdx()) === undefined ? 'this system has no udx-native' : undefined
}

/** The same without sockets that carry streams, as where udx-native is missing. */
export function withoutStreams(runtime: Runtime): Runtime {
  const network = { ...runtime.network }
  delete network.openStreamUdp
  return { ...runtime, network }
}

/** A socket on loopback that the test's end closes. */
export async function openSocket(
  t: ExecutionContext,
  family: AddressFamily = 'ipv4',
): Promise<StreamUdpSocket> {
  const socket = await openStreamUdp({ family, ip: family === 'ipv4' ? '127.0.0.1' : '::1' })
  if (socket === undefined) throw new Error('no udx-native')
  t.teardown(() => socket.close())
  return socket
}

/** Two sockets, and a stream between them. */
export interface StreamPair {
  readonly a: StreamUdpSocket
  readonly b: StreamUdpSocket
  readonly fromA: Duplex
  readonly fromB: Duplex
}

/** Stream ids are of the process: each pair gets its own. */
let nextId = 1000

export async function openPair(t: ExecutionContext, family: AddressFamily = 'ipv4'): Promise<StreamPair> {
  const [a, b] = [await openSocket(t, family), await openSocket(t, family)]
  const streams = openStreams(a, b)
  t.teardown(() => [streams.fromA, streams.fromB].map((stream) => stream.destroy()))
  return { a, b, ...streams }
}

export function openStreams(a: StreamUdpSocket, b: StreamUdpSocket): { fromA: Duplex; fromB: Duplex } {
  const [idA, idB] = [nextId++, nextId++]
  const fromA = a.openStream({ localId: idA, remoteId: idB, remote: b.local })
  const fromB = b.openStream({ localId: idB, remoteId: idA, remote: a.local })
  return { fromA, fromB }
}

/** Bytes that no two places of a stream have in common. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0, word = seed; at + 4 <= length; at += 4) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
    bytes.writeUInt32LE(word, at)
  }
  return bytes
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Writes `bytes` in chunks, as fast as they are taken, and ends. */
export async function sendAll(stream: Duplex, bytes: Uint8Array, chunkBytes = 256 << 10): Promise<void> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    if (!stream.write(bytes.subarray(at, at + chunkBytes))) await once(stream, 'drain')
  }
  stream.end()
}

/** The hash of all that comes until the end. */
export async function hashOf(stream: Duplex): Promise<string> {
  const hash = createHash('sha256')
  stream.on('data', (chunk: Uint8Array) => hash.update(chunk))
  await once(stream, 'end')
  return hash.digest('hex')
}

/** The first `count` packets, as text. */
export function packets(socket: StreamUdpSocket, count: number): Promise<UdpPacket[]> {
  const seen: UdpPacket[] = []
  return new Promise((resolve) => {
    socket.onPacket = (packet) => {
      seen.push(packet)
      if (seen.length === count) resolve(seen)
    }
  })
}

export const text = ({ bytes }: UdpPacket) => new TextDecoder().decode(bytes)
export const bytesOf = (content: string) => new TextEncoder().encode(content)
