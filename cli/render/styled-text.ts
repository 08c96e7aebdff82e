import { styleText } from 'node:util'
import { graphemeWidth, graphemes, textWidth } from './text-width.ts'

/** How a piece of text looks; colours only repeat what marks and words already say. */
export type TextStyle =
  'plain' | 'strong' | 'dim' | 'good' | 'fair' | 'bad' | 'strong-good' | 'strong-fair' | 'strong-bad'

export interface Span {
  readonly text: string
  readonly style: TextStyle
}

/** One line on the screen. */
export type StyledLine = readonly Span[]

export function span(text: string, style: TextStyle = 'plain'): Span {
  return { text, style }
}

/** Columns that a line takes. */
export function lineWidth(line: StyledLine): number {
  return line.reduce((sum, { text }) => sum + textWidth(text), 0)
}

interface Cell {
  readonly text: string
  readonly columns: number
  readonly style: TextStyle
}

/**
 * Breaks a text into lines of at most `width` columns: at spaces, and inside a word only where it is longer than a
 * line. Always gives at least one line.
 */
export function wrap(spans: readonly Span[], width: number): readonly StyledLine[] {
  const limit = Math.max(2, width) // a wide character must fit
  const lines: StyledLine[] = []
  let line: Cell[] = []
  let used = 0
  for (const cell of toCells(spans)) {
    if (cell.text === ' ' && used === 0) continue
    line.push(cell)
    used += cell.columns
    while (used > limit) {
      const rest = breakOff(line)
      lines.push(toLine(line))
      line = rest
      used = rest.reduce((sum, { columns }) => sum + columns, 0)
    }
  }
  if (line.length > 0 || lines.length === 0) lines.push(toLine(line))
  return lines
}

/** Takes what does not fit off the end of `line`: from the last space on, else the last character. */
function breakOff(line: Cell[]): Cell[] {
  const space = line.findLastIndex((cell) => cell.text === ' ')
  const rest = space > 0 ? line.splice(space) : line.splice(-1)
  const first = rest.findIndex((cell) => cell.text !== ' ')
  return first < 0 ? [] : rest.slice(first)
}

function toCells(spans: readonly Span[]): readonly Cell[] {
  return spans.flatMap(({ text, style }) =>
    graphemes(text).map((grapheme) => ({ text: grapheme, columns: graphemeWidth(grapheme), style })),
  )
}

function toLine(cells: readonly Cell[]): StyledLine {
  const end = cells.findLastIndex((cell) => cell.text !== ' ') + 1
  const line: { text: string; style: TextStyle }[] = []
  for (const { text, style } of cells.slice(0, end)) {
    const last = line.at(-1)
    if (last?.style === style) last.text += text
    else line.push({ text, style })
  }
  return line
}

type Format = Parameters<typeof styleText>[0]

const FORMATS: Readonly<Record<Exclude<TextStyle, 'plain'>, Format>> = {
  strong: 'bold',
  dim: 'gray',
  good: 'green',
  fair: 'yellow',
  bad: 'red',
  'strong-good': ['bold', 'green'],
  'strong-fair': ['bold', 'yellow'],
  'strong-bad': ['bold', 'red'],
}

/** Writes a line out, with escape sequences only when `colors`. */
export function paint(line: StyledLine, colors: boolean): string {
  return line
    .map(({ text, style }) =>
      // Whether to colour is the caller's decision: without this, Node 22 asks stdout instead.
      colors && style !== 'plain' ? styleText(FORMATS[style], text, { validateStream: false }) : text,
    )
    .join('')
}
