import type { FactGroup, FactLine, Tone } from './fact-line.ts'
import { NOT_KNOWN, PROBABLY } from './fact-line.ts'
import type { Span, TextStyle } from './styled-text.ts'
import { lineWidth, span, wrap } from './styled-text.ts'
import type { TerminalPage } from './terminal-page.ts'
import { clip, textWidth } from './text-width.ts'

const NAME_WIDTH = 20
const INDENT = 2
/** Narrower than this, the value goes below the name. */
const SIDE_BY_SIDE_MIN_WIDTH = 60
/** Evidence that must be cut to less than this says nothing. */
const MIN_EVIDENCE_WIDTH = 28
/** Servers choose some of these texts; the report must not scroll away because of one. */
const MAX_TEXT_COLUMNS = 300

const MARKS: Readonly<Record<Tone, string>> = { good: '✓', fair: '~', bad: '✗', plain: '·', unknown: '?' }
const STYLES: Readonly<Record<Tone, TextStyle>> = {
  good: 'good',
  fair: 'fair',
  bad: 'bad',
  plain: 'plain',
  unknown: 'dim',
}

/** The sign that says without colour what the colour says. */
export function toneMark(tone: Tone): string {
  return MARKS[tone]
}

export function toneStyle(tone: Tone): TextStyle {
  return STYLES[tone]
}

/** A heading and one aligned line a fact: mark, name, value in words, and evidence where there is room. */
export function writeFactGroup(page: TerminalPage, group: FactGroup): void {
  page.heading(group.title)
  for (const line of group.lines) writeFact(page, line)
}

/** One fact, aligned with those of its group. */
export function writeFact(page: TerminalPage, line: FactLine): void {
  const style = line.tone === 'plain' ? 'dim' : toneStyle(line.tone)
  const mark = { spans: [span(toneMark(line.tone), style)], width: 1 }
  const indent = INDENT + (line.isDetail === true ? 2 : 0)
  const start = INDENT + 2 + 1 + 2
  if (page.width < SIDE_BY_SIDE_MIN_WIDTH) {
    const width = page.width - start
    page.row([mark, { spans: [span(line.name, 'dim')], width: page.width - indent - 3 }], indent)
    page.row([{ spans: valueSpans(page, line, width), width }], start)
    return
  }
  const nameWidth = NAME_WIDTH - (indent - INDENT)
  const width = page.width - indent - 3 - nameWidth - 2
  const name = { spans: [span(line.name)], width: nameWidth }
  page.row([mark, name, { spans: valueSpans(page, line, width), width }], indent)
}

function valueSpans(page: TerminalPage, line: FactLine, width: number): readonly Span[] {
  const value = page.clean(valueWords(line))
  const [evidence] = line.evidence
  if (evidence === undefined || line.confidence === 'unknown') return value
  const lastLine = wrap(value, width).at(-1) ?? []
  // The rest of the line, less the gap and the brackets.
  const room = width - lineWidth(lastLine) - 3
  const [text = ''] = page.clean([span(evidence)]).map((one) => one.text)
  const fits = textWidth(text) <= room
  const isShown = fits || room >= MIN_EVIDENCE_WIDTH || line.confidence === 'inferred'
  if (!isShown) return value
  // What is only probable needs its reason, even if that takes another line.
  const columns = line.confidence === 'inferred' ? MAX_TEXT_COLUMNS : room
  return [...value, span(` [${clip(text, columns, page.ellipsis)}]`, 'dim')]
}

function valueWords(line: FactLine): readonly Span[] {
  const style: TextStyle = toneStyle(line.tone)
  const meaning =
    line.meaning === undefined
      ? []
      : [span(clip(`: ${line.meaning}`, MAX_TEXT_COLUMNS), line.value === NOT_KNOWN ? 'dim' : 'plain')]
  const probably = line.confidence === 'inferred' ? [span(` ${PROBABLY}`)] : []
  return [span(clip(line.value, MAX_TEXT_COLUMNS), style), ...probably, ...meaning]
}
