import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Readable, Writable } from 'node:stream'
import { readStoredRootSet, signRootSet } from '../../../lib/identity/trust/root-set.ts'
import { TrustStore } from '../../../lib/identity/trust/trust-store.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import type { PeerIdentity } from '../../../lib/identity/trust/trust-policy.ts'
import type { LinkOptions } from '../../../lib/protocol/link/link-options.ts'
import type { DecideOpen } from '../../../lib/session/open-decision.ts'
import type { PathKind } from '../../../lib/session/path-pipe.ts'
import { SessionHost } from '../../../lib/session/session-host.ts'
import type { SessionEvents } from '../../../lib/session/session.ts'
import { Session } from '../../../lib/session/session.ts'
import type { SessionStream } from '../../../lib/session/session-stream.ts'
import type { TestMember } from '../../support/identity.ts'
import { DAY_MS, aMember, aNetwork } from '../../support/identity.ts'
import type { TransportPair } from '../identity-support/transports.ts'
import { tcpPair } from '../identity-support/transports.ts'

export const runtime = nodeRuntime()
const nowMs = Date.now()
export const network = await aNetwork('net.example', nowMs - DAY_MS)
const options = { issuedAtMs: nowMs - 60_000 }
export const alice = await aMember(network, { name: 'alice', ...options })
export const bob = await aMember(network, { name: 'bob', ...options })

export function aTrustStore(): TrustStore {
  const { root, rootIssuer, domain } = network
  const set = { domain, number: 1, issuedAtMs: nowMs, roots: [root] }
  return new TrustStore(readStoredRootSet(signRootSet(set, rootIssuer.privateKey, root)))
}

/** What a stream that was opened is given to. */
export type Service = (stream: SessionStream, peer: PeerIdentity) => void

/** Serves by name; what is not there is refused. */
export function decideBy(services: Readonly<Record<string, Service>>): DecideOpen {
  return ({ service }) => {
    const serve = services[service]
    if (serve === undefined) return { kind: 'refused', reason: 'service-unknown' }
    return { kind: 'allowed', serve }
  }
}

export const accepting =
  (serve: Service): Service =>
  (stream, peer) => {
    quiet(stream).accept()
    serve(stream, peer)
  }

/** Gives everything back. */
export const echo = accepting((stream) => void stream.pipe(stream))

export function aHost(
  t: ExecutionContext,
  member: TestMember,
  services: Readonly<Record<string, Service>> = {},
  link: Partial<LinkOptions> = {},
  trust = aTrustStore(),
): SessionHost {
  const host = new SessionHost({
    runtime,
    trust,
    credentials: () => member.credentials,
    decide: decideBy(services),
    link,
  })
  t.teardown(() => {
    for (const session of host.sessions) session.destroy()
    return host.close(0)
  })
  return host
}

/** A session from `dialling` to `dialled`, as each has it, over one connection that the test can cut. */
export interface SessionPair {
  readonly here: Session
  readonly there: Session
  readonly pair: TransportPair
}

export async function aSession(
  t: ExecutionContext,
  dialling: SessionHost,
  dialled: SessionHost,
  events: SessionEvents = {},
): Promise<SessionPair> {
  const pair = await tcpPair(t)
  const [here, there] = await Promise.all([
    dialling.begin(pair.dialling, { kind: 'relay', via: 'test:1' }, {}, events),
    dialled.accept(pair.dialled, { kind: 'relay', via: 'test:1' }),
  ])
  await here.established
  return { here, there, pair }
}

/** Another path for a session. */
export async function anotherPath(
  t: ExecutionContext,
  dialling: SessionHost,
  dialled: SessionHost,
  session: Session,
): Promise<TransportPair> {
  const pair = await tcpPair(t)
  await Promise.all([
    dialling.addPath(session, pair.dialling, { kind: 'relay', via: 'test:2' }),
    dialled.accept(pair.dialled, { kind: 'relay', via: 'test:2' }),
  ])
  return pair
}

/** Says little over a session until a path of this kind carries it, and is known to be a short one. */
export async function measured(t: ExecutionContext, session: Session, kind: PathKind): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const stream = quiet(session.open('echo'))
    stream.end('?')
    await digest(stream)
    const [active] = session.currentPaths
    if (active?.kind === kind && (active.rttMs ?? Infinity) < 20) return
    await sleep(20)
  }
  t.fail(`no short path of kind ${kind}: ${JSON.stringify(session.currentPaths)}`)
}

/** Bytes that look like nothing else, the same for the same seed. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed * 2_654_435_761
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes.writeInt32LE(state, at)
  }
  return bytes
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Writes `total` bytes, repeating a block, and ends; answers their hash. */
export async function feed(stream: Writable, total: number, seed = 1): Promise<string> {
  const hash = createHash('sha256')
  const block = pattern(60_001, seed)
  for (let left = total; left > 0;) {
    const piece = block.subarray(0, Math.min(left, block.length))
    left -= piece.length
    hash.update(piece)
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve))
  }
  stream.end()
  return hash.digest('hex')
}

/** Reads to the end; answers how many bytes came, and their hash. */
export async function digest(stream: Readable): Promise<{ readonly length: number; readonly hash: string }> {
  const hash = createHash('sha256')
  let length = 0
  // No `for await`: it destroys the stream at its end, and with a Duplex the other direction.
  await new Promise<void>((resolve, reject) => {
    stream.on('data', (chunk: Uint8Array) => {
      length += chunk.length
      hash.update(chunk)
    })
    stream.once('end', resolve).once('error', reject)
    stream.once('close', () => reject(new Error(`closed after ${length} bytes`)))
  })
  return { length, hash: hash.digest('hex') }
}

/** A promise, and who resolves it. */
export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve: (value) => resolve(value) }
}

/** A stream whose failure ends no test that is over. */
export function quiet(stream: SessionStream): SessionStream {
  return stream.on('error', () => undefined)
}
