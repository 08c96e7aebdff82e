import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { Peer } from '../../lib/index.ts'
import { pingPong, roundTrip, sendCounted } from '../support/load.ts'
import { ASKS, SERVICES, tlsOptions } from './serve.ts'

/** How the dialling end reaches the other one. */
interface Dialler {
  dial(): Promise<Duplex>
  /** Opens something, sees it taken, and lets go of it. */
  open(onTaken: () => void): void
  /** One more client that is connected and says nothing. */
  idle(): Promise<{ close(): unknown }>
}

/** Peers of our own network, one of them, that is dialled. */
const SERVING_PEER = 'alice'

/**
 * The end that dials. Reads commands from stdin, a line each, and answers each with a line of JSON:
 * `bulk STREAMS SECONDS`, `ping SECONDS`, `opens AT_ONCE SECONDS`, `idle COUNT`, `release`.
 */
export async function runDial(kind: string | undefined, ...args: readonly string[]): Promise<void> {
  const dialler = await diallerOf(kind, args)
  const idle: { close(): unknown }[] = []
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...numbers] = line.split(' ')
    const [first = 0, second = 0] = numbers.map(Number)
    let answer: unknown = null
    if (command === 'bulk') answer = await bulk(dialler, first, second)
    else if (command === 'ping') answer = await ping(dialler, first)
    else if (command === 'opens') answer = await opens(dialler, first, second)
    else if (command === 'idle') for (let i = 0; i < first; i++) idle.push(await dialler.idle())
    else await Promise.all(idle.splice(0).map((one) => one.close()))
    console.log(JSON.stringify(answer))
  }
  process.exit()
}

async function diallerOf(kind: string | undefined, args: readonly string[]): Promise<Dialler> {
  if (kind === 'library') return libraryDialler(args[0] ?? '')
  const to = { host: '127.0.0.1', port: Number(args[0]), allowHalfOpen: true, noDelay: true }
  if (kind !== 'tls') {
    return connectionDialler(async () => {
      const socket = connect(to)
      await once(socket, 'connect')
      return socket
    })
  }
  const options = tlsOptions(args[1] ?? '')
  return connectionDialler(async () => {
    const socket = connectTls({ ...options, ...to })
    await once(socket, 'secureConnect')
    socket.setNoDelay(true)
    return socket
  })
}

function connectionDialler(dial: () => Promise<Duplex>): Dialler {
  return {
    dial,
    open(onTaken) {
      void dial().then((stream) => {
        stream.once('data', () => {
          stream.destroy()
          onTaken()
        })
        stream.write(ASKS.open)
      }, fail)
    },
    async idle() {
      const stream = await dial()
      stream.write(ASKS.echo)
      await roundTrip(stream)
      return { close: () => stream.destroy() }
    },
  }
}

async function libraryDialler(home: string): Promise<Dialler> {
  const peer = await Peer.open({ home, relayOnly: true })
  const session = await peer.sessionWith(SERVING_PEER)
  return {
    dial: () => peer.connect(`${SERVING_PEER}/${SERVICES.any}`),
    open(onTaken) {
      const stream = session.open(SERVICES.open)
      stream.on('error', fail)
      stream.once('accepted', onTaken)
      stream.resume().end()
    },
    async idle() {
      const another = await Peer.open({ home, relayOnly: true })
      await another.session(SERVING_PEER).open()
      return another
    },
  }
}

function fail(error: unknown): void {
  throw error
}

async function bulk(dialler: Dialler, streams: number, seconds: number) {
  const all = await Promise.all(Array.from({ length: streams }, () => dialler.dial()))
  const startMs = performance.now()
  const endMs = startMs + seconds * 1000
  const sent = await Promise.all(all.map((stream) => sendCounted(stream, ASKS.bulk, endMs)))
  const bytes = sent.reduce((sum, one) => sum + one, 0)
  return { bytes, seconds: (performance.now() - startMs) / 1000 }
}

async function ping(dialler: Dialler, seconds: number) {
  return await pingPong(await dialler.dial(), ASKS.echo, 200, seconds)
}

/** How many are opened and taken in a second, so many at once. */
function opens(dialler: Dialler, atOnce: number, seconds: number) {
  return new Promise((resolve) => {
    const startMs = performance.now()
    const endMs = startMs + seconds * 1000
    let taken = 0
    let underWay = 0
    const next = () => {
      underWay++
      dialler.open(() => {
        taken++
        underWay--
        const nowMs = performance.now()
        if (nowMs < endMs) next()
        else if (underWay === 0) resolve({ perS: (taken * 1000) / (nowMs - startMs) })
      })
    }
    for (let i = 0; i < atOnce; i++) next()
  })
}
