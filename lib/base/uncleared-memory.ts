/**
 * Memory in an `ArrayBuffer` of its own that may hold anything: hand on only what was written to it. No Buffer, though it is
 * made as one: views of a Buffer are Buffers, and cost half as much again.
 */
export function unclearedMemory(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
