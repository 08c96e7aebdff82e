import type { DiagnoseReport } from '../../lib/index.ts'
import { addressFacts } from './address-facts.ts'
import type { FactGroup } from './fact-line.ts'
import { localFacts } from './local-facts.ts'
import { natFacts } from './nat-facts.ts'
import { relayFacts } from './relay-facts.ts'
import { wayOutFacts } from './way-out-facts.ts'

/** Every fact of a report in words, in the order in which a person asks; the local network comes last. */
export function factGroups(report: DiagnoseReport): readonly FactGroup[] {
  return [
    addressFacts(report),
    ...natFacts(report),
    wayOutFacts(report),
    relayFacts(report),
    localFacts(report),
  ]
}
