import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { Peer } from '../../lib/index.ts'
import { ASKS, SERVICES, tlsOptions } from './serve.ts'

/** How the dialling end reaches the other one. */
interface Dialler {
  dial(): Promise<Duplex>
  /** Opens something, sees it taken, and lets go of it. */
  open(onTaken: () => void): void
  /** One more client that is connected and says nothing. */
  idle(): Promise<{ close(): unknown }>
}

/** Writes of this length suit TLS best (16 KiB cost it 1.6 times the CPU), and plain TCP well. */
const CHUNK = Buffer.alloc(256 * 1024, 'x')
const PING = Buffer.alloc(1024, 'x')
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
  const peer = await Peer.open({ home })
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
      const another = await Peer.open({ home })
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
  const sent = await Promise.all(all.map((stream) => send(stream, endMs)))
  const bytes = sent.reduce((sum, one) => sum + one, 0)
  return { bytes, seconds: (performance.now() - startMs) / 1000 }
}

/** Sends until it is time, ends, and waits until the other end has counted as much. */
async function send(stream: Duplex, endMs: number): Promise<number> {
  let sent = 0
  stream.write(ASKS.bulk)
  while (performance.now() < endMs) {
    sent += CHUNK.length
    if (!stream.write(CHUNK) && stream.writableLength > 0) await once(stream, 'drain')
  }
  stream.end()
  let answer = ''
  for await (const part of stream) answer += String(part)
  if (Number(answer) !== sent) throw new Error(`sent ${sent} bytes, ${answer || 'none'} arrived`)
  return sent
}

async function ping(dialler: Dialler, seconds: number) {
  const stream = await dialler.dial()
  stream.write(ASKS.echo)
  for (let i = 0; i < 200; i++) await roundTrip(stream)
  const timesUs: number[] = []
  const endMs = performance.now() + seconds * 1000
  for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
    await roundTrip(stream)
    timesUs.push((performance.now() - sentMs) * 1000)
  }
  stream.destroy()
  timesUs.sort((a, b) => a - b)
  const at = (part: number) => timesUs[Math.floor(timesUs.length * part)] ?? null
  return { p50Us: at(0.5), p99Us: at(0.99) }
}

function roundTrip(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    let left = PING.length
    const onData = (part: Uint8Array) => {
      left -= part.length
      if (left > 0) return
      stream.off('data', onData)
      resolve()
    }
    stream.on('data', onData)
    stream.write(PING)
  })
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
