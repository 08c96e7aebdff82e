import type { DiagnoseReport, HopReport, InterfaceReport } from '../../lib/index.ts'
import { familyName } from '../render/families.ts'
import { interfaceKindWords } from '../render/local-facts.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'

/** Interfaces and hops, as tables. */
export function networkTables(report: DiagnoseReport): Html {
  return html`<div class="pair">${interfaceTable(report)}${hopTable(report)}</div>`
}

function interfaceTable({ interfaces }: DiagnoseReport): Html {
  return html`<section class="card" aria-labelledby="interfaces">
    <h3 id="interfaces">Interfaces of this host</h3>
    ${
      interfaces.length === 0
        ? html`<p>None.</p>`
        : html`<table>
            <thead>
              <tr>
                <th scope="col">Interface</th>
                <th scope="col">Addresses</th>
              </tr>
            </thead>
            <tbody>
              ${interfaces.map(interfaceRow)}
            </tbody>
          </table>`
    }
  </section>`
}

function interfaceRow({ name, kind, addresses, carries }: InterfaceReport): Html {
  const families = carries.map(familyName).join(' and ')
  const way = families === '' ? '' : `, way out for ${families}`
  return html`<tr>
    <th scope="row">${name}<span class="note">${interfaceKindWords(kind)}${way}</span></th>
    <td>${addresses.map((address) => html`<span class="address">${address}</span>`)}</td>
  </tr>`
}

function hopTable({ hops }: DiagnoseReport): Html {
  return html`<section class="card" aria-labelledby="hops">
    <h3 id="hops">Routers on the way</h3>
    ${
      hops.length === 0
        ? html`<p>Not known: none was asked, or none answered.</p>`
        : html`<table>
            <thead>
              <tr>
                <th scope="col">Hop</th>
                <th scope="col">Address</th>
                <th scope="col">Range</th>
              </tr>
            </thead>
            <tbody>
              ${hops.map(hopRow)}
            </tbody>
          </table>`
    }
  </section>`
}

function hopRow({ ttl, ip, scope, reached }: HopReport): Html {
  const address =
    ip === undefined ? html`<span class="note">no answer</span>` : html`<span class="address">${ip}</span>`
  return html`<tr>
    <th scope="row">${ttl}</th>
    <td>${address}</td>
    <td>${reached ? 'the server itself' : (scope ?? '')}</td>
  </tr>`
}
