import type { Runtime, TcpSocket } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import {
  TRANSACTION_ID_LENGTH,
  bindingRequest,
  decodeStun,
  findAttribute,
  mappedAddressOf,
  transactionKey,
} from '../../protocol/stun/message.ts'
import { StunStreamParser } from '../../protocol/stun/tcp-framing.ts'
import { protocolError } from '../../net/protocol-error.ts'
import { orAbort } from '../../base/deadline.ts'
import { attempt } from '../../net/outward/attempt.ts'
import type { Attempt } from '../../net/outward/attempt.ts'
import { owned } from '../../net/outward/owned-socket.ts'
import { connect } from '../../net/outward/tcp.ts'

export interface StunOverTcpOptions {
  readonly signal?: AbortSignal
  /** For connecting and asking together. @default 2500 */
  readonly timeoutMs?: number
}

/** Both ends of one TCP connection, as each side sees ours. */
export interface TcpMapping {
  /** Who saw it. */
  readonly server: TransportAddress
  readonly local: TransportAddress
  readonly mapped: TransportAddress
}

/** Ours: TCP repeats a lost SYN after 1 s (RFC 6298 §2); the second loss is one too many to wait for. */
const DEFAULT_TIMEOUT_MS = 2500

/** Ours: an honest server sends one. */
const MAX_MESSAGES = 8

/**
 * Learns this host's public address over TCP from a server's STUN port (RFC 8489 §6.2.2): where UDP is blocked there is
 * no other way. Silence, refusals and servers that speak no STUN are failures; rejects only when the signal fires.
 */
export function stunOverTcp(
  runtime: Runtime,
  server: TransportAddress,
  options: StunOverTcpOptions = {},
): Promise<Attempt<TcpMapping>> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const limits = { timeoutMs, ...(signal === undefined ? {} : { signal }) }
  const to = { ...server, transport: 'tcp' } as const
  return attempt(runtime.clock, limits, async (ended) => {
    using connection = owned(await connect(runtime, to, ended))
    const mapped = await orAbort(ask(connection.socket, runtime.random.bytes(TRANSACTION_ID_LENGTH)), ended)
    return { server: to, local: connection.socket.local, mapped }
  })
}

async function ask(socket: TcpSocket, transactionId: Uint8Array): Promise<TransportAddress> {
  socket.write(bindingRequest(transactionId))
  const parser = new StunStreamParser()
  let seen = 0
  for await (const chunk of socket) {
    if (!(chunk instanceof Uint8Array)) continue
    for (const bytes of parser.push(chunk)) {
      const mapped = readAnswer(bytes, transactionId)
      if (mapped !== undefined) return mapped
      if (++seen >= MAX_MESSAGES)
        throw protocolError('ERR_REACH_DECODE', 'the server sends STUN, but no answer')
    }
  }
  throw protocolError('ECONNRESET', 'the server closed the connection without an answer')
}

/** The address in the answer to our request; undefined for messages that are not. */
function readAnswer(bytes: Uint8Array, transactionId: Uint8Array): TransportAddress | undefined {
  const message = decodeStun(bytes, { transport: 'tcp' })
  if (transactionKey(message.transactionId) !== transactionKey(transactionId)) return undefined
  if (message.class === 'error') {
    const code = findAttribute(message, 'error-code')
    throw protocolError(`STUN_${code?.code ?? 'ERROR'}`, `the server refuses: ${code?.code ?? 'no code'}`)
  }
  if (message.class !== 'success') return undefined
  const mapped = mappedAddressOf(message)
  if (mapped === undefined) throw protocolError('ERR_REACH_DECODE', 'the answer carries no address')
  return mapped
}
