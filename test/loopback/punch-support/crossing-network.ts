import { ReachError } from '../../../lib/base/errors.ts'
import type { ConnectTcpOptions, Network, TcpSocket } from '../../../lib/base/runtime.ts'
import type { TransportAddress } from '../../../lib/base/transport-address.ts'
import { formatAddress, transportAddress } from '../../../lib/base/transport-address.ts'
import type { ExecutionContext } from 'ava'
import { tcpPair } from '../identity-support/transports.ts'

interface Crossing {
  readonly meet: (socket: TcpSocket) => void
  readonly refuse: (code: string) => void
}

/** How long a SYN is on its way in it, and the most connects that may be refused before. */
const ONE_WAY_MS = 20

/**
 * The real network, but between ports of 127.0.0.1 that nobody listens on there are NATs that answer with a reset, and a way
 * of 20 ms: two connects that are under way at the same moment meet (RFC 9293 §3.5) in a real connection, others are
 * refused. Loopback itself is too fast for that: each SYN is answered before the other side can send its own.
 */
export class CrossingNetwork {
  readonly network: Network
  refused = 0
  readonly #t: ExecutionContext
  readonly #real: Network
  readonly #servers: readonly TransportAddress[]
  readonly #pending = new Map<string, Crossing>()

  /** @param servers are reached as they are */
  constructor(t: ExecutionContext, real: Network, servers: readonly TransportAddress[]) {
    this.#t = t
    this.#real = real
    this.#servers = servers
    this.network = { ...real, connectTcp: (to, options) => this.#connect(to, options) }
  }

  #connect(to: TransportAddress, options: ConnectTcpOptions = {}): Promise<TcpSocket> {
    const { localPort, signal } = options
    const isServer = this.#servers.some((server) => formatAddress(server) === formatAddress(to))
    if (isServer || localPort === undefined) return this.#real.connectTcp(to, options)
    const local = transportAddress('127.0.0.1', localPort, 'tcp')
    const [mine, theirs] = [`${localPort} ${to.port}`, `${to.port} ${localPort}`]
    return new Promise<TcpSocket>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#pending.delete(mine)
        settle()
      }
      const refuse = (code: string) =>
        end(() =>
          reject(new ReachError('ERR_REACH_SOCKET', `cannot connect: ${code}`, { details: { code } })),
        )
      const meet = (socket: TcpSocket) => end(() => resolve(Object.assign(socket, { local, remote: to })))
      const timer = setTimeout(() => {
        this.refused++
        refuse('ECONNREFUSED')
      }, ONE_WAY_MS)
      const onAbort = () => refuse('ABORTED')
      signal?.addEventListener('abort', onAbort, { once: true })
      const other = this.#pending.get(theirs)
      this.#pending.set(mine, { meet, refuse })
      if (other !== undefined) void this.#join({ meet, refuse }, other)
    })
  }

  async #join(one: Crossing, other: Crossing): Promise<void> {
    const { dialling, dialled } = await tcpPair(this.#t)
    // `local` and `remote` are set by who takes them.
    one.meet(dialling as TcpSocket)
    other.meet(dialled as TcpSocket)
  }
}
