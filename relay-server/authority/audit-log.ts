import { appendFile, rename, stat } from 'node:fs/promises'
import { Turns } from '../../lib/base/turns.ts'

/** One thing that an authority did or refused. Never a secret. */
export type AuditEntry = Readonly<Record<string, string | number>> & { readonly event: string }

/** Ours: some 60,000 entries. */
const MAX_LENGTH = 16 * 1024 * 1024

/** What the authority did, a JSON line each, appended to a file for its owner only. */
export class AuditLog {
  readonly #path: string
  readonly #wallMs: () => number
  readonly #turns = new Turns()

  constructor(path: string, wallMs: () => number) {
    this.#path = path
    this.#wallMs = wallMs
  }

  /** Appends in the order of the calls. A full disk must not keep the authority from revoking: failures are let go. */
  write(entry: AuditEntry): void {
    const line = `${JSON.stringify({ time: new Date(this.#wallMs()).toISOString(), ...entry })}\n`
    void this.#turns.take(() => this.#append(line)).catch(() => undefined)
  }

  /** Strangers can make it grow: one older file is kept, and no more. */
  async #append(line: string): Promise<void> {
    const length = await stat(this.#path).then(
      ({ size }) => size,
      () => 0, // there is none yet
    )
    if (length > MAX_LENGTH) await rename(this.#path, `${this.#path}.1`)
    await appendFile(this.#path, line, { mode: 0o600 })
  }

  /** Resolves when everything so far is written. What comes later is not. */
  close(): Promise<void> {
    return this.#turns.close()
  }
}
