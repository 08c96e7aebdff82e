import { createHash } from 'node:crypto'
import { isPeerId } from '../../base/peer-id.ts'
import { encodeZBase32 } from '../../base/z-base-32.ts'

/**
 * Where on an SSH server a member waits and others look for it. Whoever answers there proves by TLS who it is, so that a
 * stranger in its place costs a try and nothing else.
 */
export interface Rendezvous {
  /** Unix sockets, by age: where the files of earlier ones can't be removed, the last that answers is the newest. */
  readonly sockets: readonly string[]
  /** TCP ports, for servers that forward no sockets. */
  readonly ports: readonly number[]
}

/** Domain separation: no other hash of ours begins so. */
const CONTEXT = 'p2p-reach ssh rendezvous v1'
/** Ours: 130 bits: nobody meets another member's by chance. sun_path has 103 bytes for all of the path (unix(7)). */
const NAME_LENGTH = 26
/** Ours: sshd leaves a file behind with each connection (`StreamLocalBindUnlink no`); mostly we can remove it. */
const SOCKET_COUNT = 4
/** Ours: a connection that died unnoticed keeps its port for as long as sshd believes in it. */
const PORT_COUNT = 8
/** Ours: above the well-known ports, below those that systems give out (32768 on Linux). */
const FIRST_PORT = 16_384
const PORT_SPAN = 16_384

/**
 * The places of a member of a network.
 * @param domain of the network
 * @param who its name or PeerId: who dials may know only one of them
 */
export function rendezvousOf(domain: string, who: string): Rendezvous {
  const kind = isPeerId(who) ? 'id' : 'name'
  const hash = createHash('sha256').update([CONTEXT, domain, kind, who].join('\0')).digest()
  const name = encodeZBase32(hash).slice(0, NAME_LENGTH)
  const first = hash.readUInt16BE(hash.length - 2) % (PORT_SPAN - PORT_COUNT)
  return {
    sockets: Array.from({ length: SOCKET_COUNT }, (_, at) => `/tmp/p2p-reach-${name}.${at}`),
    ports: Array.from({ length: PORT_COUNT }, (_, at) => FIRST_PORT + first + at),
  }
}
