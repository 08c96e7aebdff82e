import { deferred } from '../base/deferred.ts'
import { ReachError } from '../base/errors.ts'
import type { TcpSocket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import {
  bindingRequest,
  decodeStun,
  mappedAddressOf,
  TRANSACTION_ID_LENGTH,
  transactionKey,
} from '../protocol/stun/message.ts'
import { StunStreamParser } from '../protocol/stun/tcp-framing.ts'

/**
 * Asks a STUN server, over a connection to it, how it sees our end. Undefined when the connection ends before it has said,
 * or when what it says makes no sense. The connection stays open, what else comes by it is dropped.
 */
export function askOverTcp(
  socket: TcpSocket,
  randomBytes: (length: number) => Uint8Array,
): Promise<TransportAddress | undefined> {
  const answer = deferred<TransportAddress | undefined>()
  const id = randomBytes(TRANSACTION_ID_LENGTH)
  const parser = new StunStreamParser()
  const giveUp = () => answer.resolve(undefined)
  socket.on('error', giveUp).once('end', giveUp).once('close', giveUp)
  socket.on('data', (chunk: Uint8Array) => {
    try {
      const messages = parser.push(chunk).map((bytes) => decodeStun(bytes, { transport: 'tcp' }))
      const ours = messages.find(({ transactionId }) => transactionKey(transactionId) === transactionKey(id))
      if (ours !== undefined) answer.resolve(ours.class === 'success' ? mappedAddressOf(ours) : undefined)
    } catch (error) {
      if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      socket.destroy() // no server of STUN
    }
  })
  socket.write(bindingRequest(id))
  return answer.promise
}
