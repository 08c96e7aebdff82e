/** Closes what was opened, the last first, one after the other. Node 20 has no AsyncDisposableStack. */
export class ClosingStack implements AsyncDisposable {
  #closers: (() => unknown)[] = []
  #closing: Promise<void> | undefined

  /** Adds what has `close()`, and answers it. */
  use<T extends { close(): unknown }>(resource: T): T {
    this.defer(() => resource.close())
    return resource
  }

  /** Adds a step of closing. */
  defer(close: () => unknown): void {
    this.#closers.push(close)
  }

  /** Closes everything; a step that fails does not keep the others from it. Idempotent. @throws the first failure */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const failures: unknown[] = []
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
