import { ipToBytes } from '../../base/transport-address.ts'

/** What the server needs of a client's IP. */
export interface Source {
  /** 4 or 16 bytes; 4 for an IPv4-mapped IPv6 address. */
  readonly ip: Uint8Array
  /** Whom limits count: the IPv4 address, or the IPv6 /64, which is what one customer has (RFC 6177). */
  readonly limitKey: string
}

/** Ours: enough for the clients that ask again and again. */
export const MAX_CACHED_SOURCES = 8192

/**
 * IP text to bytes, remembering the recent ones: parsing costs more than answering. Two generations, the older one is
 * dropped when the younger is full; what is dropped is only parsed again.
 */
export class SourceCache {
  #current = new Map<string, Source>()
  #previous = new Map<string, Source>()

  /** Sources remembered now. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  /** @throws {ReachError} ERR_REACH_ADDRESS when this is no IP */
  get(ip: string): Source {
    const known = this.#current.get(ip)
    if (known !== undefined) return known
    const source = this.#previous.get(ip) ?? parseSource(ip)
    if (this.#current.size >= MAX_CACHED_SOURCES / 2) {
      this.#previous = this.#current
      this.#current = new Map()
    }
    this.#current.set(ip, source)
    return source
  }
}

function parseSource(text: string): Source {
  const bytes = ipToBytes(text.split('%')[0] ?? text)
  const ip = isV4Mapped(bytes) ? bytes.slice(12) : bytes
  return { ip, limitKey: ip.length === 4 ? ip.join('.') : ip.subarray(0, 8).join(':') }
}

/** RFC 4291 §2.5.5.2: how a dual-stack socket shows an IPv4 client. */
function isV4Mapped(ip: Uint8Array): boolean {
  return (
    ip.length === 16 && ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff
  )
}
