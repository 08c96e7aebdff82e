/** Cuts bytes into pieces of the given lengths, over and over. */
export function cut(bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.max(1, lengths[i % lengths.length] ?? 1)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}
