import { hex } from './rfc5769.ts'

/*
 * Sealed packets as docs/wire.md has them ("Sealed packets"), made by Python's `cryptography` from that page alone: flow 7,
 * "hello". The secret of the direction is 00 01 … 1f.
 */

export const SECRET = Uint8Array.from({ length: 32 }, (_, at) => at)
export const FLOW = 7
export const BYTES = new TextEncoder().encode('hello')

export const sealedPackets = [
  {
    aead: 'aes-128-gcm',
    counter: 5,
    packet: hex(
      '0d' + // sealed packet
        '1fa007b0' + // token
        '000000000005' + // counter
        '10ed5e24' + // flow
        'ae6c9e9300' + // hello
        '840c317cb274a31f3fbc15df2c86b1bc', // tag
    ),
  },
  {
    aead: 'aes-256-gcm',
    counter: 2 ** 23 + 1, // the second packet of epoch 1
    packet: hex('0d 1fa007b0 000000800001 b7c83b92 db1f0de9fe 1243ce553b9279bc3f3ebc947fd2345f'),
  },
  {
    aead: 'chacha20-poly1305',
    counter: 2 ** 40 + 3, // the fourth of epoch 131,072
    packet: hex('0d 1fa007b0 010000000003 074fbdc2 ad79ee9598 9a5415bdaa2b9e6ce4a201d2d24ba40b'),
  },
] as const
