/** An error as Node makes it from a system's code, so that `lib/net` reads it as one of its own. */
export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}
