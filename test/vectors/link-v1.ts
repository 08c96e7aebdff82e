import { hex } from './rfc5769.ts'

/** Records of version 1 of the link, byte by byte as docs/wire.md has them; written by hand, not by our encoder. */

export const SESSION_ID = hex('00112233 44556677 8899aabb ccddeeff')

/** An initiator's first attempt: it may create the session, and has no other path. */
export const attachNew = hex(
  '01 000022' + // ATTACH, 34 bytes
    '01' + // version 1
    '07' + // may create, from the initiator, alone
    '00112233445566778899aabbccddeeff' + // session id
    '00000001' + // first attempt
    '0000000000000000' + // nothing received
    '0000ea60', // kept for 60,000 ms
)

/** A responder's third attempt to resume, after 2^32 + 2 bytes. */
export const attachResume = hex(
  '01 000022' +
    '01' +
    '00' + // may not create, from the responder, has other paths
    '00112233445566778899aabbccddeeff' +
    '00000003' +
    '0000000100000002' + // received
    '00001388', // 5,000 ms
)

export const accept = hex(
  '02 00000e' + // ACCEPT, 14 bytes
    '01' + // version 1
    '01' + // no other path
    '001fffffffffffff' + // received 2^53 - 1
    '0000ea60',
)

export const refuse = hex('03 000001' + '03') // key-mismatch

/** "hello" at 1,000, to be acknowledged at once. */
export const dataAck = hex(
  '11 00000d' + // DATA_ACK, 13 bytes
    '00000000000003e8' + // offset
    '68656c6c6f',
)

export const data = hex('10 000009' + '0000000000000000' + '21')

export const ack = hex('12 000008' + '0000000000010000')

export const ping = hex(
  '13 00000c' +
    '0000002a' + // id 42
    '0000000000000400', // received
)

export const pong = hex('14 00000c' + '0000002a' + '0000000000000400')

export const fin = hex('15 000008' + '00000000000003ed')

/** Code 4242, "so long". */
export const close = hex('16 000009' + '1092' + '736f206c6f6e67')

export const gonePath = hex(
  '17 000005' +
    '01' + // dialled by the initiator
    '00000007', // its seventh attempt
)

export const goneOthers = hex('17 000005' + '02' + '00000000')
