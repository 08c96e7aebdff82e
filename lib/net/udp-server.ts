import type { Socket } from 'node:dgram'
import type { TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { bindError, systemCode } from './system-error.ts'
import { publishUdpSocketFailed } from './diagnostics.ts'
import { enlargeReceiveBuffer, newSocket } from './udp-socket.ts'

/**
 * A UDP socket for servers that answer a great many strangers: addresses stay the text and number that the system
 * gives, because making a TransportAddress of each costs more than the answer.
 */
export interface UdpServerSocket {
  readonly local: TransportAddress
  /** Dropped without a word when the system's send buffer is full, the port is 0, or the socket closed. */
  send(bytes: Uint8Array, port: number, ip: string): void
  close(): void
}

export interface OpenUdpServerOptions {
  readonly ip: string
  /** 0: one that the system picks. */
  readonly port: number
}

/** Ours: answers that wait for a full send buffer beyond this are stale; dropping them is what UDP is for. */
const MAX_QUEUED_BYTES = 1 << 20

/**
 * Binds and delivers every datagram to `onDatagram`; the bytes are its own to keep.
 * @throws {ReachError} ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export async function openUdpServer(
  options: OpenUdpServerOptions,
  onDatagram: (bytes: Uint8Array, ip: string, port: number) => void,
): Promise<UdpServerSocket> {
  const wanted = transportAddress(options.ip, options.port)
  const socket = newSocket(wanted.family)
  await bind(socket, wanted)
  const local = { ...wanted, port: socket.address().port }
  enlargeReceiveBuffer(socket)
  socket.on('message', (bytes, from) => onDatagram(bytes, from.address, from.port))
  socket.on('error', (error) => publishUdpSocketFailed({ family: wanted.family, code: systemCode(error) }))
  let isClosed = false
  // A callback keeps refusals (ENETUNREACH, EPERM, …) of a forged source from becoming events.
  const ignore = () => undefined
  return {
    local,
    send(bytes, port, ip) {
      // Anybody can send from port 0, or ask for an answer there; Node throws at the attempt to give it.
      if (isClosed || port === 0 || socket.getSendQueueSize() > MAX_QUEUED_BYTES) return
      socket.send(bytes, port, ip, ignore)
    },
    close() {
      if (!isClosed) socket.close()
      isClosed = true
    },
  }
}

function bind(socket: Socket, { ip, port, ...rest }: TransportAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => {
      socket.close()
      reject(bindError(error, { ip, port, ...rest }))
    }
    socket.once('error', onError)
    socket.bind({ port, address: ip, exclusive: true }, () => {
      socket.off('error', onError)
      resolve()
    })
  })
}
