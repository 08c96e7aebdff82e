import { terminalText } from './printable.ts'
import type { ProgressEvent } from './progress-lines.ts'
import { ProgressFacts } from './progress-lines.ts'
import { clip, textWidth } from './text-width.ts'

export type { ProgressEvent } from './progress-lines.ts'

/** The part of a terminal or a file that progress is written to: `process.stderr`, or a fake one. */
export interface ProgressStream {
  write(text: string): unknown
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}

export interface LiveProgressOptions {
  /** The first line, there at once. */
  readonly title: string
  /** One block that changes in place. False writes plain lines: for files, pipes, `TERM=dumb`. */
  readonly isLive: boolean
  /** False where the locale is not UTF-8. */
  readonly unicode: boolean
  /** Leaves the block on the screen at the end; false takes it away, for a report that says the same. */
  readonly keepsBlock: boolean
  /** Ends the display where it stands. */
  readonly signal?: AbortSignal
}

/** Ours: a log of one diagnosis is shorter; what comes beyond is not written. */
const MAX_PLAIN_LINES = 500

/** ECMA-48: cursor up, and erase from the cursor to the end of the screen. */
const CURSOR_UP = (rows: number) => `\x1b[${rows}A`
const ERASE_BELOW = '\r\x1b[J'

/**
 * Shows what a running diagnosis finds out. The cursor is never hidden and always rests on an empty line below the
 * block, so whatever ends the process, a signal included, leaves the terminal as a shell wants it.
 */
export class LiveProgress {
  readonly #stream: ProgressStream
  readonly #options: LiveProgressOptions
  readonly #facts = new ProgressFacts()
  /** The plain lines so far. */
  readonly #written = new Set<string>()
  /** What is on the screen above the cursor. */
  #shown: readonly string[] = []
  #state: 'running' | 'closed' = 'running'

  constructor(stream: ProgressStream, options: LiveProgressOptions) {
    this.#stream = stream
    this.#options = options
    if (options.isLive) {
      this.#draw()
      stream.on?.('resize', this.#draw)
      options.signal?.addEventListener('abort', this.#onAbort, { once: true })
      if (options.signal?.aborted === true) this.close()
    } else {
      this.#writeLine(options.title)
    }
  }

  /** Takes the next event; after `done` or {@link close}, nothing more is written. */
  readonly handle = (event: ProgressEvent): void => {
    if (this.#state === 'closed') return
    if (event.kind === 'done') {
      this.close({ erase: !this.#options.keepsBlock })
      return
    }
    const [group, label, text] = [event.group, event.label, event.text].map((part) => this.#clean(part))
    if (!this.#facts.add(group ?? '', label ?? '', text ?? '')) return
    if (this.#options.isLive) this.#draw()
    else this.#writeOnce(`${group ?? ''}: ${label ?? ''} ${text ?? ''}`)
  }

  /** Stops; what is on the screen stays, unless `erase`. Harmless when repeated. */
  close({ erase = false } = {}): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#stream.off?.('resize', this.#draw)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    if (erase && this.#options.isLive) this.#stream.write(this.#eraseShown())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  readonly #onAbort = (): void => {
    this.close()
  }

  /** Writes the block anew over the old one, in one piece so that nothing flickers. */
  readonly #draw = (): void => {
    const erase = this.#eraseShown()
    this.#shown = this.#block()
    this.#stream.write(erase + this.#shown.map((line) => line + '\n').join(''))
  }

  #block(): readonly string[] {
    // One column stays free: a line that fills the last column wraps on some terminals.
    const width = this.#columns() - 1
    const separator = this.#options.unicode ? ' · ' : ' - '
    const facts = this.#facts.lines(width, separator)
    // The cursor needs a row too; what scrolled off the top could not be taken back.
    const room = Math.max(0, (this.#stream.rows ?? 24) - 2)
    const lines = [this.#clean(this.#options.title), ...(room > 0 ? facts.slice(-room) : [])]
    const ellipsis = this.#options.unicode ? '…' : '...'
    return lines.map((line) => clip(line, width, ellipsis))
  }

  /** Back to the first row of the block; after a resize its lines may have been wrapped by the terminal. */
  #eraseShown(): string {
    const columns = this.#columns()
    const rows = this.#shown.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / columns)), 0)
    return rows === 0 ? '' : CURSOR_UP(rows) + ERASE_BELOW
  }

  #columns(): number {
    return Math.max(2, this.#stream.columns ?? 80)
  }

  #writeOnce(line: string): void {
    if (this.#written.has(line) || this.#written.size >= MAX_PLAIN_LINES) return
    this.#written.add(line)
    this.#writeLine(line)
  }

  #writeLine(line: string): void {
    this.#stream.write(this.#clean(line) + '\n')
  }

  #clean(text: string): string {
    return terminalText(text, this.#options)
  }
}
