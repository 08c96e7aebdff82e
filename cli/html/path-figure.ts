import type { DiagnoseReport, EgressFact } from '../../lib/index.ts'
import type { Family } from '../render/families.ts'
import { factsOf, familiesToDraw, familyName } from '../render/families.ts'
import type { PathStep, PathStepKind } from '../render/path-picture.ts'
import { pathSteps } from '../render/path-picture.ts'
import type { ServerReport } from '../render/relay-facts.ts'
import { egressLine, latencyWords, servers } from '../render/relay-facts.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import { stepIcon, toneIcon } from './icons.ts'

/** The way of the packets, station by station, and what is reached at its end. */
export function pathFigure(report: DiagnoseReport): Html {
  const families = familiesToDraw(report)
  return html`<section class="card" aria-labelledby="path">
    <h2 id="path">Your way to the internet</h2>
    ${families.map((family) => pathList(report, family, families.length > 1))} ${serverList(report)}
  </section>`
}

const TRANSLATES_OR_FILTERS: readonly PathStepKind[] = ['nat', 'carrier-nat', 'firewall']

function pathList(report: DiagnoseReport, family: Family, isLabelled: boolean): Html {
  const label = isLabelled ? html`<h3>${familyName(family)}</h3>` : undefined
  const steps = pathSteps(report, family)
  const lastFilter = steps.findLastIndex(({ kind }) => TRANSLATES_OR_FILTERS.includes(kind))
  return html`${label}
    <ol class="path">
      ${steps.map((step, index) =>
        stepItem(step, index === lastFilter ? behaviours(report, family, steps) : []),
      )}
    </ol>`
}

function stepItem({ kind, title, address, notes }: PathStep, behaviour: readonly string[]): Html {
  return html`<li class="step step-${kind}">
    ${stepIcon(kind)}
    <span class="step-title">${title}</span>
    ${address === undefined ? undefined : html`<span class="address">${address}</span>`}
    ${[...notes, ...behaviour].map((note) => html`<span class="note">${note}</span>`)}
  </li>`
}

/** How the stations between translate and filter; measured from inside, so for all of them together. */
function behaviours(report: DiagnoseReport, family: Family, steps: readonly PathStep[]): readonly string[] {
  const facts = factsOf(report, family)
  if (facts === undefined) return []
  const { mapping, filtering } = facts
  const allocation = facts === report.nat ? report.nat.portAllocation.value : 'unknown'
  const isTranslated = mapping.value !== 'none'
  const words = [
    ...(mapping.value === 'unknown' || !isTranslated ? [] : [`mapping ${mapping.value}`]),
    ...(filtering.value === 'unknown' || filtering.value === 'none' ? [] : [`filtering ${filtering.value}`]),
    ...(allocation === 'unknown' || !isTranslated ? [] : [`ports ${allocation}`]),
  ]
  const nats = steps.filter(({ kind }) => kind === 'nat' || kind === 'carrier-nat')
  return nats.length > 1 && words.length > 0 ? ['all NATs together:', ...words] : words
}

function serverList(report: DiagnoseReport): Html | undefined {
  const all = servers(report)
  if (all.length === 0) return undefined
  return html`<h3>What is reached from here</h3>
    <ul class="servers">
      ${all.map(serverItem)}
    </ul>`
}

function serverItem(server: ServerReport): Html {
  const latency = latencyWords(server)
  return html`<li class="server">
    <span class="server-name"
      ><span class="address">${server.name}</span
      >${latency === undefined ? undefined : html` <span class="note">${latency}</span>`}</span
    >
    <ul class="chips">
      ${server.egress.map(chip)}
    </ul>
  </li>`
}

function chip(fact: EgressFact): Html {
  const { name, tone, value } = egressLine(fact)
  return html`<li class="chip tone-${tone}">
    ${toneIcon(tone)}${name} <span class="chip-word">${value === 'does not work' ? 'blocked' : value}</span>
  </li>`
}
