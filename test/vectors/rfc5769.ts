/**
 * The messages of RFC 5769 §2, field by field, and the one of RFC 8489 appendix B.1 as verified erratum 6268 corrects
 * it (the RFC prints it without PASSWORD-ALGORITHM, with a length and an HMAC that belong to neither form).
 */
export interface StunVector {
  readonly source: string
  readonly bytes: Uint8Array
}

/** The password of the short-term vectors, §2.1 to §2.3. */
export const SHORT_TERM_PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt'

/** The credentials of the long-term vectors. The password before SASLprep and OpaqueString is `The\u00adM\u00aatr\u2168`. */
export const LONG_TERM_USERNAME = '\u30de\u30c8\u30ea\u30c3\u30af\u30b9'
export const LONG_TERM_PASSWORD = 'TheMatrIX'
export const LONG_TERM_REALM = 'example.org'
export const LONG_TERM_NONCE = 'f//499k954d6OL34oL9FSTvy64sA'
export const LONG_TERM_SHA256_NONCE = 'obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA'

const SHORT_TERM_ID = 'b7e7a701 bc34d686 fa87dfae'
const LONG_TERM_ID = '78ad3433 c6ad72c0 29da412e'

export const sampleRequest = vector(
  'RFC 5769 §2.1',
  '0001 0058 2112a442', // Binding request, 88 bytes, magic cookie
  SHORT_TERM_ID,
  '8022 0010 5354554e 20746573 7420636c 69656e74', // SOFTWARE "STUN test client"
  '0024 0004 6e0001ff', // PRIORITY
  '8029 0008 932ff9b1 51263b36', // ICE-CONTROLLED
  '0006 0009 6576746a 3a683676 59202020', // USERNAME "evtj:h6vY", padded with spaces
  '0008 0014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2', // MESSAGE-INTEGRITY
  '8028 0004 e57a3bcf', // FINGERPRINT
)

export const sampleIpv4Response = vector(
  'RFC 5769 §2.2',
  '0101 003c 2112a442', // Binding success, 60 bytes, magic cookie
  SHORT_TERM_ID,
  '8022 000b 74657374 20766563 746f7220', // SOFTWARE "test vector", padded with a space
  '0020 0008 0001 a147 e112a643', // XOR-MAPPED-ADDRESS 192.0.2.1:32853
  '0008 0014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7', // MESSAGE-INTEGRITY
  '8028 0004 c07d4c96', // FINGERPRINT
)

export const sampleIpv6Response = vector(
  'RFC 5769 §2.3',
  '0101 0048 2112a442', // Binding success, 72 bytes, magic cookie
  SHORT_TERM_ID,
  '8022 000b 74657374 20766563 746f7220', // SOFTWARE "test vector", padded with a space
  '0020 0014 0002 a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9', // [2001:db8:1234:5678:11:2233:4455:6677]:32853
  '0008 0014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41', // MESSAGE-INTEGRITY
  '8028 0004 c8fb0b4c', // FINGERPRINT
)

export const sampleLongTermRequest = vector(
  'RFC 5769 §2.4',
  '0001 0060 2112a442', // Binding request, 96 bytes, magic cookie
  LONG_TERM_ID,
  '0006 0012 e3839ee3 8388e383 aae38383 e382afe3 82b90000', // USERNAME
  '0015 001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341', // NONCE
  '0014 000b 6578616d 706c652e 6f726700', // REALM
  '0008 0014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666', // MESSAGE-INTEGRITY
)

export const sampleLongTermSha256Request = vector(
  'RFC 8489 appendix B.1, erratum 6268',
  '0001 0090 2112a442', // Binding request, 144 bytes, magic cookie
  LONG_TERM_ID,
  '001e 0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704', // USERHASH
  '0015 0029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464', // NONCE …
  '364f4c33 346f4c39 46535476 79363473 41000000', // … its rest
  '0014 000b 6578616d 706c652e 6f726700', // REALM
  '001d 0004 0002 0000', // PASSWORD-ALGORITHM SHA-256
  '001c 0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65', // MESSAGE-INTEGRITY-SHA256
)

export const allVectors: readonly StunVector[] = [
  sampleRequest,
  sampleIpv4Response,
  sampleIpv6Response,
  sampleLongTermRequest,
  sampleLongTermSha256Request,
]

/** Bytes from hex with spaces. */
export function hex(...parts: readonly string[]): Uint8Array {
  const digits = parts.join('').replaceAll(' ', '')
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

function vector(source: string, ...parts: readonly string[]): StunVector {
  return { source, bytes: hex(...parts) }
}
