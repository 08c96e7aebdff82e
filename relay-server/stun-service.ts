import type { Socket } from 'node:net'
import type { Clock } from '../lib/base/runtime.ts'
import type { TransportAddress } from '../lib/base/transport-address.ts'
import { transportAddress } from '../lib/base/transport-address.ts'
import { openUdpServer } from '../lib/net/udp-server.ts'
import type { UdpServerSocket } from '../lib/net/udp-server.ts'
import { StunServer } from '../lib/protocol/stun/server.ts'
import type { StunServerCounters, StunServerOptions } from '../lib/protocol/stun/server.ts'
import { StunStreamParser } from '../lib/protocol/stun/tcp-framing.ts'

/** Ours: a STUN client over TCP asks once or twice; who stays silent gives the connection back. */
const TCP_IDLE_TIMEOUT_MS = 15_000
/** Ours: answers that a TCP client does not read pile up to this, then it is cut off. */
const MAX_UNREAD_BYTES = 64 * 1024

/** STUN on real sockets: one UDP socket for each endpoint of the server, and whatever TCP connections it is given. */
export class StunService implements AsyncDisposable {
  readonly #server: StunServer
  readonly #clock: Clock
  #sockets: readonly UdpServerSocket[] = []

  private constructor(server: StunServer, clock: Clock) {
    this.#server = server
    this.#clock = clock
  }

  /** Binds all endpoints, or none. @throws {ReachError} ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET */
  static async open(options: StunServerOptions, clock: Clock): Promise<StunService> {
    const service = new StunService(new StunServer(options), clock)
    await service.#bind()
    return service
  }

  /** The UDP addresses that answer, in the order of the server's endpoints. */
  get addresses(): readonly TransportAddress[] {
    return this.#sockets.map((socket) => socket.local)
  }

  counters(transport: 'udp' | 'tcp'): StunServerCounters {
    return this.#server.counters(transport)
  }

  /** Answers STUN on a connection until it ends, falls silent, or sends something else. */
  serveTcp(socket: Socket): void {
    const from = addressOf(socket.remoteAddress, socket.remotePort)
    const local = addressOf(socket.localAddress, socket.localPort)
    if (from === undefined || local === undefined) {
      socket.destroy()
      return
    }
    const parser = new StunStreamParser()
    socket.setTimeout(TCP_IDLE_TIMEOUT_MS, () => socket.destroy())
    socket.on('data', (chunk: Uint8Array) => {
      try {
        for (const message of parser.push(chunk)) {
          const reply = this.#server.handle(message, from, local, this.#clock.nowMs())
          if (reply !== undefined) socket.write(reply.bytes)
        }
      } catch {
        socket.destroy() // not STUN: a stream that is out of step cannot be answered
        return
      }
      if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy()
    })
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.close()
    this.#sockets = []
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #bind(): Promise<void> {
    const opened: UdpServerSocket[] = []
    try {
      for (const { local, index } of this.#server.endpoints) {
        const onDatagram = (bytes: Uint8Array, ip: string, port: number) =>
          this.#answer(bytes, ip, port, index)
        opened.push(await openUdpServer(local, onDatagram))
      }
    } catch (error) {
      for (const socket of opened) socket.close()
      throw error
    }
    this.#sockets = opened
  }

  #answer(bytes: Uint8Array, ip: string, port: number, endpointIndex: number): void {
    const reply = this.#server.handleUdp(bytes, ip, port, endpointIndex, this.#clock.nowMs())
    if (reply !== undefined) this.#sockets[reply.endpointIndex]?.send(reply.bytes, reply.toPort, ip)
  }
}

function addressOf(ip: string | undefined, port: number | undefined): TransportAddress | undefined {
  return ip === undefined || port === undefined ? undefined : transportAddress(ip, port, 'tcp')
}
