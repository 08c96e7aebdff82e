import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { listenTcp } from '../net/tcp-server.ts'
import { carriesProof } from '../protocol/relay/proof-packet.ts'
import { StunStreamParser } from '../protocol/stun/tcp-framing.ts'

/** Hears what comes in at a port. Whoever has a socket there (a demultiplexer, say) can be one. */
export interface ProofEars {
  /** Calls back once when a packet with that nonce has come in; the function that it answers stops that. */
  expect(nonce: Uint8Array, onHeard: () => void): () => void
}

/** Ears of our own, at a port that was free. Whoever opened them closes them. */
export interface ProofListener extends ProofEars {
  readonly local: TransportAddress
  close(): Promise<void>
}

/** Ours: a proof is one connection; the rest are strangers that try an open port. */
const MAX_CONNECTIONS = 16

/**
 * Listens at a port for the length of a proof; port 0 takes a free one.
 * @throws {ReachError} ERR_REACH_ADDRESS_IN_USE when another program has it, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export function listenForProof(runtime: Runtime, at: TransportAddress): Promise<ProofListener> {
  return at.transport === 'udp' ? overUdp(runtime, at) : overTcp(at)
}

async function overUdp(runtime: Runtime, { family, ip, port }: TransportAddress): Promise<ProofListener> {
  const socket = await runtime.network.openUdp({ family, ip, port })
  const expectations = new Expectations()
  socket.onPacket = ({ bytes }) => expectations.hear(bytes)
  const close = () => {
    socket.close()
    return Promise.resolve()
  }
  return { local: socket.local, expect: (...args) => expectations.expect(...args), close }
}

async function overTcp({ ip, port }: TransportAddress): Promise<ProofListener> {
  const expectations = new Expectations()
  const server = await listenTcp({ ip, port, maxConnections: MAX_CONNECTIONS }, (socket) => {
    const parser = new StunStreamParser()
    socket.on('data', (chunk: Uint8Array) => {
      try {
        for (const message of parser.push(chunk)) expectations.hear(message)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
        socket.destroy() // a stranger: nothing is served here
      }
    })
  })
  return {
    local: server.local,
    expect: (...args) => expectations.expect(...args),
    close: () => server.close(),
  }
}

/** Ears for whoever has a socket: `hear` is given what comes in there. */
export class Expectations implements ProofEars {
  readonly #open = new Map<Uint8Array, () => void>()

  expect(nonce: Uint8Array, onHeard: () => void): () => void {
    this.#open.set(nonce, onHeard)
    return () => this.#open.delete(nonce)
  }

  hear(bytes: Uint8Array): void {
    for (const [nonce, onHeard] of this.#open) {
      if (!carriesProof(bytes, nonce)) continue
      this.#open.delete(nonce)
      onHeard()
      return
    }
  }
}
