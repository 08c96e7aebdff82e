/** A number from 0 up to, not including, 1 that random bytes stand for: as even as they are. */
export function fractionOf(chance: Uint8Array): number {
  return chance.reduce((sum, byte) => sum * 256 + byte, 0) / 256 ** chance.length
}
