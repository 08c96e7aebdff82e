import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Duplex } from 'node:stream'
import { Peer } from '../../lib/index.ts'
import { countBytes } from '../support/count-bytes.ts'
import { bareOptions, parseMaterial } from '../support/tls-material.ts'

/** The first byte of a connection says what is wanted of it. */
export const ASKS = { bulk: 'B', echo: 'E', open: 'O' } as const
/** Names of the services that stand for it in the library. */
export const SERVICES = { any: 'any', open: 'open' } as const

const BACKLOG = 4096

/**
 * What any program has in its heap. With less than 8 MB there, V8 (11.3) never marks, and ends of plain TLS would be
 * measured in a state that no program is in; it costs them 15 to 20 % of the CPU. Not for the processes of the product.
 */
export const ballast = Array.from({ length: 60_000 }, (_, i) => ({ i, text: `entry ${i}` }))

/** One end that is dialled: prints a line when it is ready, its port if it has one. Runs until it is ended. */
export async function runServe(kind: string | undefined, argument: string): Promise<void> {
  if (kind === 'library' || kind === 'library-in-place')
    return serveLibrary(argument, kind === 'library-in-place')
  const onStream = (stream: Duplex) => serve(stream)
  const server =
    kind === 'tls'
      ? createTlsServer(
          { ...tlsOptions(argument), requestCert: true, rejectUnauthorized: true, allowHalfOpen: true },
          onStream,
        )
      : createServer({ allowHalfOpen: true, noDelay: true }, onStream)
  await listen(server)
}

/** Mutual TLS 1.3 with AES-128-GCM and nothing of ours. */
export function tlsOptions(materialFile: string) {
  return {
    ...bareOptions(parseMaterial(readFileSync(materialFile, 'utf8'))),
    ciphers: 'TLS_AES_128_GCM_SHA256',
    noDelay: true,
    // Its name is of no interest here.
    checkServerIdentity: () => undefined,
  }
}

async function listen(server: Server): Promise<void> {
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1', BACKLOG)
  await once(server, 'listening')
  const address = server.address()
  console.log(typeof address === 'object' ? address?.port : 0)
}

async function serveLibrary(home: string, isInPlace: boolean): Promise<void> {
  const peer = await Peer.open({ home, relayOnly: true })
  await peer.listen(SERVICES.any, (stream) => serve(stream, isInPlace))
  await peer.listen(SERVICES.open, (stream) => stream.resume().end())
  console.log('ready')
}

function serve(stream: Duplex, isInPlace = false): void {
  stream.on('error', () => stream.destroy())
  stream.once('data', (first: Uint8Array) => {
    stream.pause()
    if (first[0] === ASKS.bulk.charCodeAt(0)) countBytes(stream, first.length - 1, isInPlace)
    else if (first[0] === ASKS.open.charCodeAt(0)) {
      stream.on('end', () => stream.end())
      stream.resume().write(first)
    } else echo(stream, first.subarray(1))
  })
}

function echo(stream: Duplex, first: Uint8Array): void {
  if (first.length > 0) stream.write(first)
  stream.on('data', (part: Uint8Array) => stream.write(part))
  stream.on('end', () => stream.end())
  stream.resume()
}
