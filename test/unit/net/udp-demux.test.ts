import test from 'ava'
import { datagramKind } from '../../../lib/net/udp-demux.ts'

test('every first byte has the kind that RFC 7983 §7 gives it', (t) => {
  const kinds = Array.from({ length: 256 }, (_, first) => datagramKind(Uint8Array.of(first, 1, 2)))
  const ranges = [
    [0, 3, 'stun'],
    [4, 15, 'other'],
    [16, 19, 'zrtp'],
    [20, 63, 'dtls'],
    [64, 79, 'turn-channel'],
    [80, 127, 'other'],
    [128, 191, 'rtp'],
    [192, 255, 'other'],
  ] as const
  t.deepEqual(
    kinds,
    ranges.flatMap(([first, last, kind]) => Array.from({ length: last - first + 1 }, () => kind)),
  )
})

test('an empty datagram is no protocol', (t) => {
  t.is(datagramKind(new Uint8Array()), 'other')
})
