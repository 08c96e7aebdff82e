import type { Confidence } from '../../lib/index.ts'
import type { FactGroup, FactLine } from '../render/fact-line.ts'
import { formatDuration } from '../render/units.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import { toneIcon } from './icons.ts'

/** One group of facts: name, value in words, how sure and when; a line unfolds to show what it rests on. */
export function factSection(group: FactGroup, index: number): Html {
  return html`<section class="card" aria-labelledby="facts-${index}">
    <h3 id="facts-${index}">${group.title}</h3>
    <dl class="facts">${group.lines.map(factItem)}</dl>
  </section>`
}

function factItem(line: FactLine): Html {
  const detail = line.isDetail === true ? ' detail' : ''
  return html`<div class="fact tone-${line.tone}${detail}">
    <dt>${toneIcon(line.tone)}<span>${line.name}</span></dt>
    <dd>
      ${line.evidence.length === 0 ? html`<div class="row">${valueRow(line)}</div>` : withEvidence(line)}
    </dd>
  </div>`
}

function withEvidence(line: FactLine): Html {
  return html`<details>
    <summary class="row">${valueRow(line)}</summary>
    <ul class="evidence">
      ${line.evidence.map((one) => html`<li>${one}</li>`)}
    </ul>
  </details>`
}

function valueRow({ value, meaning, confidence, ms }: FactLine): Html {
  const explained = meaning === undefined ? undefined : html`<span class="meaning">: ${meaning}</span>`
  return html`<span class="value"><strong>${value}</strong>${explained}</span
    >${confidence === undefined ? undefined : badge(confidence, ms)}`
}

const BADGES: Readonly<Record<Confidence, string>> = {
  measured: 'measured',
  inferred: 'probably',
  unknown: 'not known',
}

function badge(confidence: Confidence, ms: number | undefined): Html {
  const when = ms === undefined ? undefined : html`<span class="ms">after ${formatDuration(ms)}</span>`
  return html`<span class="sure"
    >${when}<span class="badge badge-${confidence}">${BADGES[confidence]}</span></span
  >`
}
