import type { DiagnoseReport, PublicAddressFact } from '../../lib/index.ts'
import type { FactGroup, FactLine } from './fact-line.ts'
import { factLine, yesNoLine } from './fact-line.ts'

/** How the outside sees this host. */
export function addressFacts(report: DiagnoseReport): FactGroup {
  const { nat, publicAddress } = report
  return {
    title: 'Addresses',
    lines: [
      publicAddressLine('Public IPv4', publicAddress.ipv4),
      publicAddressLine('Public IPv6', publicAddress.ipv6),
      poolLine(report),
      yesNoLine('Rewriting (ALG)', nat.alg, {
        yes: { meaning: 'something on the way changes addresses inside packets', tone: 'bad' },
        no: { meaning: 'packets arrive with what was put in', tone: 'plain' },
      }),
    ],
  }
}

function publicAddressLine(name: string, fact: PublicAddressFact): FactLine {
  return factLine(name, fact, (value) => ({
    value,
    tone: 'plain',
    ...(value === 'none' ? { meaning: 'this family has no way to the internet' } : {}),
  }))
}

function poolLine({ nat }: DiagnoseReport): FactLine {
  return yesNoLine('Several public IPs', nat.addressPool, {
    yes: { meaning: nat.publicIps.join(', '), tone: 'fair' },
    no: { meaning: 'every server saw the same one', tone: 'plain' },
  })
}
