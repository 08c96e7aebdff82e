import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { exchange, readBody } from '../net/http-exchange.ts'
import type { GatewayUrl } from '../protocol/port-mapping/gateway-url.ts'
import { hostHeader } from '../protocol/port-mapping/gateway-url.ts'
import { MAX_XML_BYTES } from '../protocol/port-mapping/xml.ts'

/** One request to a gateway. */
export interface GatewayRequest {
  readonly method: 'GET' | 'POST'
  /** Without Host. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** An address of this host to ask from. Default: the one that the system picks. */
  readonly localIp?: string
  /** For all of it, from dialling to the last byte. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** What a gateway answered, whole. */
export interface GatewayReply {
  readonly status: number
  readonly body: Uint8Array
}

/**
 * One HTTP request over a connection of its own. Follows no redirect: an answer is what that host says, or none.
 * @throws {ReachError} ERR_REACH_TIMEOUT; ERR_REACH_SOCKET for what the system or HTTP made of it; ERR_REACH_DECODE for
 * a body of more than 256 KiB
 * @throws the signal's reason when it fires first
 */
export async function askGateway(
  runtime: Runtime,
  url: GatewayUrl,
  request: GatewayRequest,
): Promise<GatewayReply> {
  const { localIp, timeoutMs, signal: parent } = request
  using deadline = deadlineSignal(runtime.clock, timeoutMs, parent)
  const { signal } = deadline
  try {
    const from = localIp === undefined ? {} : { localIp }
    const socket = await runtime.network.connectTcp(url.address, { signal, ...from })
    socket.on('error', () => undefined) // what breaks is reported by the exchange, or comes too late to matter
    try {
      return await ask(socket, url, request, signal)
    } finally {
      socket.destroy()
    }
  } catch (error) {
    signal.throwIfAborted()
    throw ReachError.is(error) ? error : socketError(url, error)
  }
}

async function ask(
  socket: Parameters<typeof exchange>[0],
  url: GatewayUrl,
  { method, headers, body }: GatewayRequest,
  signal: AbortSignal,
): Promise<GatewayReply> {
  const head = {
    method,
    target: url.path,
    headers: { Host: hostHeader(url), Connection: 'close', 'User-Agent': 'p2p-reach UPnP/1.1', ...headers },
  }
  const answer = await exchange(socket, head, signal, {
    isLenient: true,
    ...(body === undefined ? {} : { body }),
  })
  if (answer.kind === 'switched') throw socketError(url, { code: 'UNEXPECTED_UPGRADE' })
  const read = await readBody(answer.message, MAX_XML_BYTES, signal)
  signal.throwIfAborted()
  if (read.body.length === MAX_XML_BYTES && !read.isComplete)
    throw new ReachError(
      'ERR_REACH_DECODE',
      `${url.address.ip} answers with more than ${MAX_XML_BYTES} bytes`,
    )
  // Cut off without an end: some routers announce more than they send. What came is read, and refused if it is not whole.
  return { status: answer.status, body: read.body }
}

function socketError({ address }: GatewayUrl, cause: unknown): ReachError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'UNKNOWN'
  return new ReachError(
    'ERR_REACH_SOCKET',
    `the gateway at ${address.ip} does not answer as it should: ${code}`,
    {
      cause,
      details: { code, remote: address },
    },
  )
}
