/**
 * What a datagram on a shared port is, by its first byte. `other` is all that RFC 7983 leaves unassigned: there our own
 * packets live (udx begins with 0xff), told apart by their own magic.
 */
export type DatagramKind = 'stun' | 'zrtp' | 'dtls' | 'turn-channel' | 'rtp' | 'other'

/** RFC 7983 §7, figure 3: first and last value of the first byte. */
const RANGES: readonly { readonly first: number; readonly last: number; readonly kind: DatagramKind }[] = [
  { first: 0, last: 3, kind: 'stun' },
  { first: 16, last: 19, kind: 'zrtp' },
  { first: 20, last: 63, kind: 'dtls' },
  { first: 64, last: 79, kind: 'turn-channel' },
  { first: 128, last: 191, kind: 'rtp' },
]

/**
 * Tells what protocol a datagram claims to be. A claim only: whoever takes it must still check it (STUN by its magic
 * cookie). An empty datagram is `other`.
 */
export function datagramKind(bytes: Uint8Array): DatagramKind {
  const first = bytes[0]
  if (first === undefined) return 'other'
  return RANGES.find((range) => first >= range.first && first <= range.last)?.kind ?? 'other'
}
