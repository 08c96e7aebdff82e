/** Ours: the first wait is at most a second, and none is longer than half a minute. */
const BASE_MS = 1000
const MAX_MS = 30_000

/**
 * How long to wait after so many failures in a row: anything from zero to a bound that doubles ("full jitter"), so that
 * a thousand members that lost the same relay don't come back together.
 * @param failures from 1 on
 * @param chance four random bytes
 */
export function fullJitterMs(failures: number, chance: Uint8Array): number {
  const bound = Math.min(MAX_MS, BASE_MS * 2 ** Math.max(0, failures - 1))
  const draw = chance.reduce((sum, byte) => sum * 256 + byte, 0) / 256 ** chance.length
  return Math.round(bound * draw)
}
