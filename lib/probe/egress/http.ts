import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Runtime } from '../../base/runtime.ts'
import { exchange, readBody } from '../../net/http-exchange.ts'
import { protocolError } from '../../net/protocol-error.ts'
import { attempt } from '../../net/outward/attempt.ts'
import type { Attempt, StepLimits } from '../../net/outward/attempt.ts'

/** Ours: a relay's description takes some 200 bytes, a login page's first lines are enough to know it. */
export const MAX_BODY_BYTES = 64 * 1024

export interface HttpGet {
  /** What the Host header says. */
  readonly host: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface HttpResponse {
  readonly status: number
  /** Names in lower case. Untrusted text: see printable.ts before showing it. */
  readonly headers: IncomingHttpHeaders
  /** The first {@link MAX_BODY_BYTES} bytes at most. */
  readonly body: Uint8Array
  /** The body is whole; false when it was too long, too slow or broken off. */
  readonly isComplete: boolean
  /** From the request to the head of the answer. */
  readonly headMs: number
  /** This host's calendar time when the head was in. */
  readonly headAtWallMs: number
}

/**
 * GETs one path over a connection, which is of no use afterwards. Never follows redirects. An answer whose body does
 * not end in time is still an answer.
 */
export function httpGet(
  runtime: Runtime,
  socket: Duplex,
  get: HttpGet,
  limits: StepLimits,
): Promise<Attempt<HttpResponse>> {
  return attempt(runtime.clock, limits, async (signal) => {
    const startMs = runtime.clock.nowMs()
    const headers = { Host: get.host, Accept: '*/*', 'User-Agent': 'p2p-reach', ...get.headers }
    const answer = await exchange(socket, { method: 'GET', target: get.path, headers }, signal)
    const headMs = runtime.clock.nowMs() - startMs
    const headAtWallMs = runtime.clock.wallMs()
    if (answer.kind === 'switched') {
      throw protocolError(
        'UNEXPECTED_UPGRADE',
        `the server answered a GET with ${answer.status} and another protocol`,
      )
    }
    const { body, isComplete } = await readBody(answer.message, MAX_BODY_BYTES, signal)
    return { status: answer.status, headers: answer.headers, body, isComplete, headMs, headAtWallMs }
  })
}
