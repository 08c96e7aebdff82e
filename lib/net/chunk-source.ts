import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isLending, LEND_TO } from './lending.ts'
import { onreadSocket } from './onread.ts'
import { isPlainSocket } from './plain-socket.ts'

/** Who takes what a connection reads, and owns the buffers that it is read into. */
export interface ChunkReader {
  /** The buffer of the next read. Asked once at the start and after each chunk. */
  nextBuffer(): Uint8Array
  /**
   * The first `count` bytes of `buffer` have come in. False stops reading until `resume()`. Whoever still needs the bytes
   * afterwards must return false, or have another buffer next.
   */
  onChunk(buffer: Uint8Array, count: number): boolean
  /**
   * A stream that lends (`LendingStream`) asks this after some chunks, in the same turn of the event loop.
   * @returns true when no chunk that came so far is needed any more. Readers without this get chunks for good.
   */
  giveBack?(): boolean
}

/** A connection that was taken over to be read in chunks. */
export interface ChunkSource {
  /** To be used from now on for writing, ending and listening; with `allowHalfOpen`, and not reading yet. */
  readonly stream: Duplex
  /** What had been read before the take-over; it comes first. */
  readonly leftover: Uint8Array | undefined
  /** Each chunk comes in memory of its own: many may wait to be written. Else the next read may overwrite the last. */
  readonly allocates: boolean
  /** Lets the next chunk come. Does nothing while one is on its way. */
  resume(): void
  /**
   * Another buffer for the chunk that is waited for. Undefined when the source allocates, or can't change its mind. Costs
   * some bytes for the connection's life: not for every chunk.
   */
  readonly exchange: ((buffer: Uint8Array) => void) | undefined
  /** Calls back when the other side has ended its direction in an orderly way, after all of its chunks. */
  onEnd(callback: () => void): void
}

/**
 * Takes a connection over so that it reads into buffers of `reader`, without an allocation for each read.
 *
 * Node offers that (`onread`) only to sockets that dial. An accepted one gives its handle to a second Socket: the
 * `handle` option and the `_handle` property are not documented, but are the same in Node 20 and 22 (lib/net.js), and
 * looked for before use. `connection` then is an empty shell, and stays what its server counts: it should be destroyed when `stream`
 * closes, and the other way round. Where that can't be done (TLS, streams that are no sockets, a Node that changed),
 * `stream` is the connection itself, and chunks come in buffers that Node allocates.
 *
 * Nothing may be under way to be written: `writableLength` is 0.
 */
export function takeOver(connection: Duplex, reader: ChunkReader): ChunkSource {
  // Before 'end' is emitted it may still be changed (Node's documentation of Duplex).
  connection.allowHalfOpen = true
  connection.pause()
  const leftover = takeLeftover(connection)
  const handle = socketHandle(connection)
  return handle === undefined
    ? readStream(connection, leftover, reader)
    : readSocket(handle, connection, leftover, reader)
}

/** Reads exactly what is there: asking for more would announce the end of a stream that has ended behind it. */
export function takeLeftover(connection: Duplex): Uint8Array | undefined {
  const { readableLength } = connection
  if (readableLength === 0) return undefined
  const bytes: unknown = connection.read(readableLength)
  return bytes instanceof Uint8Array ? bytes : undefined
}

/** The system's handle of a plain socket, when it can be given to another one. */
function socketHandle(connection: Duplex): object | undefined {
  if (!isPlainSocket(connection)) return undefined
  const handle: unknown = Reflect.get(connection, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  return 'useUserBuffer' in handle && 'readStop' in handle ? handle : undefined
}

/** Reads from a socket with the handle of another one, the shell. */
function readSocket(
  handle: object,
  shell: Duplex,
  leftover: Uint8Array | undefined,
  reader: ChunkReader,
): ChunkSource {
  let current: Uint8Array | undefined
  const onread = {
    buffer: () => {
      const next = reader.nextBuffer()
      // To be given the same one again costs Node more than to be given nothing, which means the same.
      if (next === current) return undefined
      current = next
      return next
    },
    callback: (count: number, buffer: Uint8Array) => reader.onChunk(buffer, count),
  }
  if (shell instanceof Socket) shell.setTimeout(0)
  Reflect.set(shell, '_handle', null)
  const options = { handle, onread, allowHalfOpen: true }
  const socket = new Socket(options)
  const exchange = onreadSocket(socket)?.exchange
  // It started to read at birth, but nothing comes in before the event loop turns.
  socket.pause()
  return {
    stream: socket,
    leftover,
    allocates: false,
    resume: () => void socket.resume(),
    exchange:
      exchange &&
      ((buffer) => {
        current = buffer
        exchange(buffer)
      }),
    onEnd: (callback) => void socket.once('end', () => verifyEnd(socket, callback)),
  }
}

/**
 * A reset that comes while nobody reads is told as an end: libuv takes the hang-up after the last bytes for one (seen
 * with 1.46 and 1.51 on Linux). Whoever reads on then gets the reset after all, and after a real end just another end.
 */
function verifyEnd(socket: Socket, callback: () => void): void {
  socket.pause().resume()
  // The first turn ends before the system is asked again, the second one after.
  setImmediate(() =>
    setImmediate(() => {
      if (socket.errored === null) callback()
    }),
  )
}

function readStream(stream: Duplex, leftover: Uint8Array | undefined, reader: ChunkReader): ChunkSource {
  const listener = (chunk: Uint8Array) => {
    if (!reader.onChunk(chunk, chunk.length)) stream.pause()
  }
  stream.on('data', listener)
  // Listening set it flowing.
  stream.pause()
  const giveBack = reader.giveBack?.bind(reader)
  if (giveBack !== undefined && isLending(stream)) stream[LEND_TO]({ listener, giveBack })
  return {
    stream,
    leftover,
    allocates: true,
    resume: () => void stream.resume(),
    exchange: undefined,
    onEnd: (callback) => void stream.once('end', callback),
  }
}
