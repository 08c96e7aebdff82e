import type { DiagnoseReport, Remedy } from '../../lib/index.ts'
import { factGroups } from './fact-groups.ts'
import { networkLines } from './local-facts.ts'
import { PROBABLY } from './fact-line.ts'
import { familiesToDraw, familyName } from './families.ts'
import type { PathStep } from './path-picture.ts'
import { pathSteps } from './path-picture.ts'
import { span } from './styled-text.ts'
import { toneMark, toneStyle, writeFact, writeFactGroup } from './terminal-facts.ts'
import type { TerminalOptions } from './terminal-page.ts'
import { TerminalPage } from './terminal-page.ts'
import { formatDuration, formatInstant } from './units.ts'
import type { PredictionGroup } from './verdict-words.ts'
import {
  NO_PREDICTIONS,
  SHORT_NAMES,
  meaningfulPredictions,
  groupPredictions,
  noRemedyWords,
  resultWords,
  verdictWords,
} from './verdict-words.ts'

/** Narrower than this, tables are written one below the other. */
const TABLE_MIN_WIDTH = 72
const RESULT_WIDTH = 23

/**
 * The report as a person reads it in a terminal: verdict, way to the internet, what it means, what to change, and all
 * facts. Pure; ends with a line feed.
 */
export function renderTerminalReport(report: DiagnoseReport, options: TerminalOptions): string {
  const page = new TerminalPage(options)
  writeVerdict(page, report)
  writePaths(page, report)
  writePredictions(page, report)
  writeRemedies(page, report)
  for (const group of factGroups(report)) writeFactGroup(page, group)
  for (const line of networkLines(report)) writeFact(page, line)
  writeFooter(page, report)
  return page.toString()
}

function writeVerdict(page: TerminalPage, { verdict }: DiagnoseReport): void {
  const { title, tone } = verdictWords(verdict.class)
  page.paragraph([span(`${toneMark(tone)} ${title}: `, `strong-${tone}`), span(verdict.summary, 'strong')])
}

function writePaths(page: TerminalPage, report: DiagnoseReport): void {
  page.blank()
  const families = familiesToDraw(report)
  for (const family of families) {
    const label = families.length > 1 ? `${familyName(family)}: ` : ''
    const text = label + pathSteps(report, family).map(stepWords).join(' ── ')
    page.paragraph([span(text)], { hanging: 2 })
  }
}

function stepWords({ title, address, notes }: PathStep): string {
  const detail = address === undefined ? notes.map((note) => ` (${note})`).join('') : ` ${address}`
  return title + detail
}

function writePredictions(page: TerminalPage, report: DiagnoseReport): void {
  const prediction = meaningfulPredictions(report)
  page.heading('What this means')
  if (prediction.length === 0) {
    page.paragraph([span(NO_PREDICTIONS)], { indent: 2 })
    return
  }
  page.paragraph([span('How you connect to a peer, by what the peer is behind:')], { indent: 2 })
  for (const group of groupPredictions(prediction)) writePredictionGroup(page, group)
  const legend = SHORT_NAMES.map(([name, meaning]) => `${name} = ${meaning}`).join('; ')
  page.paragraph([span(`Short names (RFC 4787): ${legend}.`, 'dim')], { indent: 2 })
}

function writePredictionGroup(page: TerminalPage, { first, peers }: PredictionGroup): void {
  const { words, tone } = resultWords(first)
  const probably = first.confidence === 'inferred' ? ` ${PROBABLY}` : ''
  const result = [span(words, toneStyle(tone)), span(probably)]
  const names = peers.map(({ example, peerNat }) => [span(example), span(` (${peerNat})`, 'dim')])
  const cells = [...names, [span(`why: ${first.why}`, 'dim')]]
  const isTable = page.width >= TABLE_MIN_WIDTH
  const mark = { spans: [span(toneMark(tone), toneStyle(tone))], width: 1 }
  if (!isTable) page.row([mark, { spans: result, width: page.width - 5 }], 2)
  for (const [index, spans] of cells.entries()) {
    if (!isTable) {
      page.row([{ spans, width: page.width - 5 }], 5)
      continue
    }
    const isFirst = index === 0
    const left = [
      isFirst ? mark : { spans: [], width: 1 },
      { spans: isFirst ? result : [], width: RESULT_WIDTH },
    ]
    page.row([...left, { spans, width: page.width - RESULT_WIDTH - 7 }], 2)
  }
}

function writeRemedies(page: TerminalPage, { verdict }: DiagnoseReport): void {
  page.heading('What to change')
  if (verdict.remedies.length === 0) page.paragraph([span(noRemedyWords(verdict.class))], { indent: 2 })
  for (const [index, remedy] of verdict.remedies.entries()) writeRemedy(page, index + 1, remedy)
}

function writeRemedy(page: TerminalPage, number: number, { action, why }: Remedy): void {
  const label = `${number}.`
  const cell = { spans: [span(action), span(` ${why}`, 'dim')], width: page.width - 4 - label.length }
  page.row([{ spans: [span(label)], width: label.length }, cell], 2)
}

function writeFooter(page: TerminalPage, report: DiagnoseReport): void {
  page.blank()
  const when = `${formatInstant(report.startedAt)}, in ${formatDuration(report.durationMs)}`
  page.paragraph([span(`Measured ${when}. All evidence: --html FILE or --json.`, 'dim')])
}
