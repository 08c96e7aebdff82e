import { terminalText } from './printable.ts'
import type { Span, StyledLine } from './styled-text.ts'
import { lineWidth, paint, span, wrap } from './styled-text.ts'

export interface TerminalOptions {
  /** Escape sequences for colour and weight. */
  readonly colors: boolean
  /** Columns that no line exceeds. */
  readonly width: number
  /** False where the locale is not UTF-8: then everything is ASCII. */
  readonly unicode: boolean
}

/** Narrower than this, nothing is readable; a line may then be longer than the terminal. */
export const MIN_WIDTH = 20
/** Longer lines are hard to follow with the eye. */
export const MAX_WIDTH = 110
const DEFAULT_WIDTH = 80

/** The width to lay out for: that of the terminal within limits, 80 where there is none. */
export function terminalWidth(columns: number | undefined): number {
  if (columns === undefined || columns <= 0) return DEFAULT_WIDTH
  return Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns))
}

/** One cell of a row: texts that wrap within `width` columns. */
export interface RowCell {
  readonly spans: readonly Span[]
  readonly width: number
}

const GAP = 2

/** Collects wrapped lines. Every text that comes in is made safe and, where needed, ASCII: nobody can forget to. */
export class TerminalPage {
  readonly width: number
  readonly #options: TerminalOptions
  readonly #lines: StyledLine[] = []

  constructor(options: TerminalOptions) {
    this.#options = options
    this.width = Math.max(MIN_WIDTH, options.width)
  }

  /** What stands for text that was cut off. */
  get ellipsis(): string {
    return this.#options.unicode ? '…' : '...'
  }

  blank(): void {
    if (this.#lines.length > 0) this.#lines.push([])
  }

  heading(text: string): void {
    this.blank()
    this.paragraph([span(text, 'strong')])
  }

  /** A wrapped text; lines after the first are indented by `hanging` more. */
  paragraph(spans: readonly Span[], { indent = 0, hanging = 0 } = {}): void {
    const lines = wrap(this.clean(spans), this.width - indent - hanging)
    for (const [index, line] of lines.entries()) this.#push(indent + (index === 0 ? 0 : hanging), line)
  }

  /** Cells side by side, each wrapped in its own width. */
  row(cells: readonly RowCell[], indent = 0): void {
    const wrapped = cells.map((cell) => wrap(this.clean(cell.spans), cell.width))
    const height = Math.max(...wrapped.map((lines) => lines.length))
    for (let y = 0; y < height; y++) this.#push(indent, joinCells(cells, wrapped, y))
  }

  /** The texts as they will appear. */
  clean(spans: readonly Span[]): readonly Span[] {
    return spans.map(({ text, style }) => ({ style, text: terminalText(text, this.#options) }))
  }

  toString(): string {
    return this.#lines.map((line) => paint(line, this.#options.colors) + '\n').join('')
  }

  #push(indent: number, line: StyledLine): void {
    this.#lines.push(line.length === 0 ? [] : [span(' '.repeat(indent)), ...line])
  }
}

function joinCells(
  cells: readonly RowCell[],
  wrapped: readonly (readonly StyledLine[])[],
  y: number,
): StyledLine {
  const line: Span[] = []
  let column = 0
  let used = 0
  for (const [index, cell] of cells.entries()) {
    const part = wrapped[index]?.[y] ?? []
    if (part.length > 0) {
      line.push(span(' '.repeat(column - used)), ...part)
      used = column + lineWidth(part)
    }
    column += cell.width + GAP
  }
  return line.filter(({ text }) => text !== '')
}
