import test, { type ExecutionContext } from 'ava'
import { labAvailability, type LabAvailability } from '../../../cli/demo/lab/availability.ts'
import { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'
import { BUSY, HEAVY, inTurn, LIGHT } from './lab-turns.ts'

const availability = await labAvailability()

/** Whether labs can be opened in this process. */
export const canRunLabs = availability.kind === 'root'

if (availability.kind !== 'root') console.warn(`netns tests are skipped: ${reasonAgainst(availability)}`)

type Body = (t: ExecutionContext, lab: NetnsLab) => Promise<void>

/** A test that is given a lab of its own, closed when it ends. Skipped where labs cannot be opened. */
export function netnsTest(title: string, body: Body): void {
  declareLabTest(LIGHT, title, body)
}

/** The same for tests in which the product moves bytes or looks for paths: fewer of them run at once. */
export function busyNetnsTest(title: string, body: Body): void {
  declareLabTest(BUSY, title, body)
}

/** The same for tests that keep two cores busy: nearly nothing else runs meanwhile. */
export function heavyNetnsTest(title: string, body: Body): void {
  declareLabTest(HEAVY, title, body)
}

function declareLabTest(weight: number, title: string, body: Body): void {
  const declare = canRunLabs ? test : test.skip
  declare(title, (t) => inTurn(weight, () => inLab(t, body)))
}

async function inLab(t: ExecutionContext, body: Body): Promise<void> {
  const lab = await NetnsLab.open()
  try {
    await body(t, lab)
  } finally {
    await lab.close()
  }
}

function reasonAgainst(outcome: Exclude<LabAvailability, { kind: 'root' }>): string {
  switch (outcome.kind) {
    case 'unavailable':
      return outcome.reason
    case 'user-namespace':
      return 'not root; run them with: unshare --user --map-root-user --net -- <command>'
  }
}
