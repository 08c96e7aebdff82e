import type { Duplex } from 'node:stream'

/** Those that were opened, in their order; whatever nobody takes is closed. */
export async function* opened(opening: readonly Promise<Duplex | undefined>[]): AsyncGenerator<Duplex, void> {
  const rest = new Set(opening)
  try {
    for (const one of opening) {
      const stream = await one
      rest.delete(one)
      if (stream !== undefined) yield stream
    }
  } finally {
    for (const one of rest) void one.then((stream) => stream?.destroy())
  }
}
