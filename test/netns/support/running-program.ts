import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'

/** How a program ended. */
export interface ProgramEnd {
  readonly code: number | undefined
  readonly signal: string | undefined
}

interface Waiter {
  readonly pattern: RegExp
  readonly resolve: (match: RegExpExecArray) => void
}

/** Ours: what a program on a busy two-core machine may take to say the next thing. */
const DEFAULT_WAIT_MS = 30_000

/**
 * A program that a test talks with: its stdout by lines, its stderr for the error message when an expected line does
 * not come. Takes over both streams.
 */
export class RunningProgram {
  /** Resolves when the program has ended and all it printed has been read. */
  readonly ended: Promise<ProgramEnd>
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: string[] = []
  readonly #waiters = new Set<Waiter>()
  /** Lines that an earlier wait matched. */
  readonly #taken = new Set<number>()
  #stderr = ''

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (this.#stderr += chunk))
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line)
      this.#settle()
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code: code ?? undefined, signal: signal ?? undefined })
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** All lines of stdout so far. */
  get lines(): readonly string[] {
    return this.#lines
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Writes a line to the program's stdin. */
  say(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  /**
   * The match of the first line of stdout that fits and that no earlier wait took. Rejects, with all that the program
   * printed, when none comes in time or the program ends.
   */
  waitForLine(pattern: RegExp, { timeoutMs = DEFAULT_WAIT_MS } = {}): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        pattern,
        resolve: (match) => {
          clearTimeout(timer)
          resolve(match)
        },
      }
      const giveUp = (why: string) => {
        clearTimeout(timer)
        if (this.#waiters.delete(waiter)) reject(new Error(this.#explain(pattern, why)))
      }
      const timer = setTimeout(() => giveUp(`within ${timeoutMs} ms`), timeoutMs)
      this.#waiters.add(waiter)
      this.#settle()
      void this.ended.then(({ code, signal }) =>
        giveUp(`before it ended with ${signal ?? `status ${code ?? 0}`}`),
      )
    })
  }

  /** Waits until stderr has a text that fits. */
  async waitForError(pattern: RegExp, { timeoutMs = DEFAULT_WAIT_MS } = {}): Promise<void> {
    const untilMs = performance.now() + timeoutMs
    while (!pattern.test(this.#stderr)) {
      if (performance.now() > untilMs)
        throw new Error(this.#explain(pattern, `on stderr within ${timeoutMs} ms`))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Sends a signal, SIGTERM by default, and waits for the end. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProgramEnd> {
    this.#child.kill(signal)
    return this.ended
  }

  #settle(): void {
    for (const waiter of this.#waiters) {
      const index = this.#lines.findIndex((line, at) => !this.#taken.has(at) && waiter.pattern.test(line))
      const match = index < 0 ? null : waiter.pattern.exec(this.#lines[index] ?? '')
      if (match === null) continue
      this.#taken.add(index)
      this.#waiters.delete(waiter)
      waiter.resolve(match)
    }
  }

  #explain(pattern: RegExp, why: string): string {
    const command = this.#child.spawnargs.join(' ')
    return `${command} printed no line like ${String(pattern)} ${why}\nstdout:\n${this.#lines.join('\n')}\nstderr:\n${this.#stderr}`
  }
}
