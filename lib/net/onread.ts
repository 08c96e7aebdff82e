import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** A socket that can be made to read into memory of ours. */
export interface OnreadSocket {
  /**
   * Reads into `first` from now on.
   * @param nextBuffer asked after each read; undefined: into the same one again, which costs least
   * @param onRead as many bytes have come into the last buffer that was given; false stops reading
   */
  readInto(
    first: Uint8Array,
    nextBuffer: () => Uint8Array | undefined,
    onRead: (count: number, buffer: Uint8Array) => boolean,
  ): void
  /** Another buffer for the read that is waited for. Costs some bytes for the socket's life: not for every read. */
  readonly exchange: (buffer: Uint8Array) => void
}

/**
 * Node reads into given memory (`onread`) only for sockets that dial. Accepted ones and TLSSockets have the same parts; what
 * is used of them is not documented, is the same in Node 20 to 24 (lib/net.js, lib/internal/stream_base_commons.js), is in
 * this file alone, and is looked for before use. Undefined when it is not there: then chunks come as Node reads them.
 */
export function onreadSocket(stream: Duplex): OnreadSocket | undefined {
  if (!(stream instanceof Socket) || names === undefined) return undefined
  const { buffer, nextBuffer, callback } = names
  const handle: unknown = Reflect.get(stream, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  const use: unknown = Reflect.get(handle, 'useUserBuffer')
  if (typeof use !== 'function' || ![buffer, nextBuffer, callback].every((name) => name in stream))
    return undefined
  const exchange = (to: Uint8Array) => {
    if (Reflect.get(stream, '_handle') !== handle) return // closed since
    Reflect.set(stream, buffer, to)
    Reflect.apply(use, handle, [to])
  }
  return {
    readInto(first, next, onRead) {
      Reflect.set(stream, nextBuffer, next)
      Reflect.set(stream, callback, onRead)
      exchange(first)
    },
    exchange,
  }
}

/** Under which names a socket keeps what `onread` gave it: found by what stands there. */
const names = findNames()

function findNames() {
  const next = () => new Uint8Array(1)
  const onRead = () => true
  const options = { onread: { buffer: next, callback: onRead }, allowHalfOpen: true }
  const probe = new Socket(options)
  const holding = (value: unknown, description: string) =>
    Object.getOwnPropertySymbols(probe).find(
      (name) => name.description === description && Reflect.get(probe, name) === value,
    )
  const nextBuffer = holding(next, 'kBufferGen')
  const callback = holding(onRead, 'kBufferCb')
  const buffer = holding(true, 'kBuffer') // until it has a handle
  probe.destroy()
  return nextBuffer === undefined || callback === undefined || buffer === undefined
    ? undefined
    : { nextBuffer, callback, buffer }
}
