import type { DiagnoseReport, Remedy } from '../../lib/index.ts'
import { factGroups } from '../render/fact-groups.ts'
import { renderJsonReport } from '../render/json-report.ts'
import { formatDuration, formatInstant } from '../render/units.ts'
import { noRemedyWords, verdictWords } from '../render/verdict-words.ts'
import { factSection } from './fact-list.ts'
import type { Html } from './html.ts'
import { html, raw } from './html.ts'
import { toneIcon } from './icons.ts'
import { networkTables } from './network-tables.ts'
import { PAGE_STYLE } from './page-style.ts'
import { pathFigure } from './path-figure.ts'
import { predictionTable } from './prediction-table.ts'

/**
 * The report as one page that needs nothing else: no script, no request, readable from a phone to print. A policy in the
 * page forbids the browser what the page does not use, should a value ever slip through the escaping.
 */
export function renderHtmlReport(report: DiagnoseReport): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${verdictWords(report.verdict.class).title}: p2p-reach diagnose</title>
        <style>
          ${raw(PAGE_STYLE)}
        </style>
      </head>
      <body>
        <main>
          ${header(report)} ${banner(report)} ${pathFigure(report)} ${predictionTable(report)}
          ${remedySection(report)}
          <h2>What was found</h2>
          <p class="hint">Unfold a line to see what it rests on.</p>
          ${factGroups(report).map(factSection)} ${networkTables(report)} ${rawReport(report)}
        </main>
      </body>
    </html> `
  return page.markup
}

function header(report: DiagnoseReport): Html {
  return html`<header>
    <h1>p2p-reach diagnose</h1>
    <p>
      <time datetime="${report.startedAt}">${formatInstant(report.startedAt)}</time>, measured in
      ${formatDuration(report.durationMs)}
    </p>
  </header>`
}

function banner({ verdict }: DiagnoseReport): Html {
  const { title, tone } = verdictWords(verdict.class)
  return html`<section class="banner tone-${tone}" aria-labelledby="verdict">
    ${toneIcon(tone)}
    <div>
      <h2 id="verdict">${title}</h2>
      <p>${capitalised(verdict.summary)}</p>
    </div>
  </section>`
}

/** The summary follows a colon in the terminal, and starts a line here. */
function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function remedySection({ verdict }: DiagnoseReport): Html {
  return html`<section class="card" aria-labelledby="change">
    <h2 id="change">What to change</h2>
    ${
      verdict.remedies.length === 0
        ? html`<p>${noRemedyWords(verdict.class)}</p>`
        : html`<ol class="remedies">
            ${verdict.remedies.map(remedyItem)}
          </ol>`
    }
  </section>`
}

function remedyItem({ action, why }: Remedy): Html {
  return html`<li><strong>${action}</strong> <span class="why">${why}</span></li>`
}

function rawReport(report: DiagnoseReport): Html {
  return html`<section class="card" aria-labelledby="raw">
    <h3 id="raw">For programs</h3>
    <details>
      <summary>The whole report as JSON</summary>
      <pre tabindex="0">${jsonLines(report)}</pre>
    </details>
  </section>`
}

/** Line by line: a text of its own may have no line feeds. */
function jsonLines(report: DiagnoseReport): readonly Html[] {
  return renderJsonReport(report, { pretty: true })
    .split('\n')
    .map((line) => html`${line}${raw('\n')}`)
}
