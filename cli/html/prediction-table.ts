import type { DiagnoseReport, PairPrediction } from '../../lib/index.ts'
import { PROBABLY } from '../render/fact-line.ts'
import { NO_PREDICTIONS, SHORT_NAMES, meaningfulPredictions, resultWords } from '../render/verdict-words.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import { toneIcon } from './icons.ts'

/** Whom this host can connect to directly. */
export function predictionTable(report: DiagnoseReport): Html {
  const prediction = meaningfulPredictions(report)
  return html`<section class="card" aria-labelledby="meaning">
    <h2 id="meaning">What this means</h2>
    ${prediction.length === 0 ? html`<p>${NO_PREDICTIONS}</p>` : table(prediction)}
  </section>`
}

function table(prediction: readonly PairPrediction[]): Html {
  return html`<p>How you connect to a peer, by what the peer is behind:</p>
    <table class="predictions">
      <thead>
        <tr>
          <th scope="col">The peer is behind</th>
          <th scope="col">You connect</th>
        </tr>
      </thead>
      <tbody>
        ${prediction.map(row)}
      </tbody>
    </table>
    <dl class="legend">
      ${SHORT_NAMES.map(
        ([name, meaning]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${meaning}</dd>
          </div>`,
      )}
    </dl>`
}

function row(one: PairPrediction): Html {
  const { words, tone } = resultWords(one)
  const probably = one.confidence === 'inferred' ? html` <span class="note">${PROBABLY}</span>` : undefined
  return html`<tr>
    <th scope="row">${one.example} <span class="note nat-name">${one.peerNat}</span></th>
    <td>
      <div class="outcome">
        <span><span class="result tone-${tone}">${toneIcon(tone)}${words}</span>${probably}</span>
        <span class="why">${one.why}</span>
      </div>
    </td>
  </tr>`
}
