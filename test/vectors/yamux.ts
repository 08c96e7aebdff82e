import { hex } from './rfc5769.ts'

/**
 * Frames that hashicorp/yamux v0.1.2 wrote: its client opens a stream, says hello, pings, ends the stream and takes leave;
 * its server echoes. Captured between the two with a tap on net.Pipe; the split of the fields is by hand after spec.md.
 */
export interface YamuxVector {
  readonly what: string
  readonly bytes: Uint8Array
  readonly header: {
    readonly type: number
    readonly flags: number
    readonly streamId: number
    readonly length: number
  }
}

/** version · type · flags · stream id · length */
export const yamuxVectors: readonly YamuxVector[] = [
  vector('a stream is opened', '00 01 0001 00000001 00000000', [1, 1, 1, 0]),
  vector('and acknowledged', '00 01 0002 00000001 00000000', [1, 2, 1, 0]),
  vector('hello', '00 00 0000 00000001 00000005', [0, 0, 1, 5]),
  vector('a ping', '00 02 0001 00000000 00000000', [2, 1, 0, 0]),
  vector('its answer', '00 02 0002 00000000 00000000', [2, 2, 0, 0]),
  vector('a direction ends', '00 01 0004 00000001 00000000', [1, 4, 1, 0]),
  vector('leave is taken', '00 03 0000 00000000 00000000', [3, 0, 0, 0]),
]

/** Frames with numbers in every byte; by hand. */
export const handWrittenFrames: readonly YamuxVector[] = [
  vector('a large delta', '00 01 0000 fffffffe ffffffff', [1, 0, 0xffff_fffe, 0xffff_ffff]),
  vector('a reset with a reason', '00 01 0008 80000001 00000003', [1, 8, 0x8000_0001, 3]),
  vector('a ping with a value', '00 02 0001 00000000 deadbeef', [2, 1, 0, 0xdead_beef]),
  vector('data that opens a stream', '00 00 0001 01020304 00010000', [0, 1, 0x0102_0304, 65_536]),
]

/** What the same client sent, as one stream of bytes. */
export const yamuxClientBytes = hex(
  '00 01 0001 00000001 00000000' + // SYN
    '00 00 0000 00000001 00000005' +
    '68656c6c6f' + // hello
    '00 02 0001 00000000 00000000' + // ping
    '00 01 0004 00000001 00000000' + // FIN
    '00 03 0000 00000000 00000000', // go away
)

/** The same for a stream that carries datagrams. */
export const openWebDatagrams = hex(
  '02' + // version
    '0005' + // five bytes follow
    '03' + // length of the service
    '776562' + // web
    '01', // datagrams
)

/** OPEN of the service `web`, byte by byte as docs/wire.md has it; by hand. */
export const openWeb = hex(
  '01' + // version
    '0004' + // four bytes follow
    '03' + // length of the service
    '776562', // web
)

function vector(
  what: string,
  bytes: string,
  [type, flags, streamId, length]: readonly [number, number, number, number],
): YamuxVector {
  return { what, bytes: hex(bytes), header: { type, flags, streamId, length } }
}
