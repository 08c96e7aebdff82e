import type { EventEmitter } from 'node:events'

/** What of udx-native is used: one for a process, so that its sockets share one pool of memory. It has no types itself. */
export interface Udx {
  createSocket(options: { readonly ipv6Only?: boolean; readonly reuseAddress?: boolean }): UdxSocket
  createStream(localId: number): UdxStream
}

/** A UDP socket of udx: `message` brings what belongs to no stream. */
export interface UdxSocket extends EventEmitter {
  /** @throws what the system says, with its code */
  bind(port: number, host: string): void
  address(): { readonly host: string; readonly family: 4 | 6; readonly port: number } | null
  /** Resolves when the system has taken the packet, or never will. */
  send(bytes: Uint8Array, port: number, host: string, ttl?: number): Promise<boolean>
  addMembership(group: string, via: string): void
  getRecvBufferSize(): number
  setRecvBufferSize(bytes: number): void
  /** Takes effect when no stream is left. */
  close(): Promise<void>
  on(event: 'message', listener: (bytes: Uint8Array, from: UdxSource) => void): this
}

export interface UdxSource {
  readonly host: string
  readonly family: 4 | 6
  readonly port: number
}

/** A stream of udx: a Duplex of the package streamx, which looks like Node's and is none. */
export interface UdxStream extends EventEmitter {
  /** What fits into one packet, IP and UDP headers included. */
  readonly mtu: number
  /** Smoothed, in milliseconds; 0 before the first acknowledgement. */
  readonly rtt: number
  connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
  /** The bytes stay udx's until they are acknowledged: it does not copy them. */
  write(bytes: Uint8Array): boolean
  end(): void
  /** Resolves when all that was written is acknowledged; false when the stream ended before. */
  flush(): Promise<boolean>
  destroy(error?: Error): void
}

type UdxModule = { readonly default: new () => Udx }

let loading: Promise<Udx | undefined> | undefined

/** The one UDX of this process; undefined where the package is missing or has no binary for this system (musl). */
export function loadUdx(): Promise<Udx | undefined> {
  return (loading ??= load())
}

async function load(): Promise<Udx | undefined> {
  try {
    // @ts-expect-error: the package has no types
    const { default: UDX } = (await import('udx-native')) as UdxModule
    return new UDX()
  } catch {
    return undefined // an optional dependency: what is missing is what its absence means
  }
}
