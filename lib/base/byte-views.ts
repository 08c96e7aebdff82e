/**
 * The methods of typed arrays under names of their own: where one is called on a view, V8 (11.3) looks it up each time. What
 * a message passes on its way through a session uses these.
 */
const { subarray, set } = Uint8Array.prototype as {
  readonly subarray: (this: Uint8Array, from: number, to: number) => Uint8Array
  readonly set: (this: Uint8Array, bytes: Uint8Array, at: number) => void
}

/** `bytes.subarray(from, to)`, a view. */
export function viewOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return subarray.call(bytes, from, to)
}

/** `into.set(bytes, at)`: copies all of `bytes`. @throws {RangeError} when there is no room */
export function copyTo(into: Uint8Array, bytes: Uint8Array, at: number): void {
  set.call(into, bytes, at)
}
