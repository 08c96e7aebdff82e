import test, { type ExecutionContext } from 'ava'
import { labAvailability, type LabAvailability } from '../../../cli/demo/lab/availability.ts'
import { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'

const availability = await labAvailability()

/** Whether labs can be opened in this process. */
export const canRunLabs = availability.kind === 'root'

if (availability.kind !== 'root') console.warn(`netns tests are skipped: ${reasonAgainst(availability)}`)

/** A test that is given a lab of its own, closed when it ends. Skipped where labs cannot be opened. */
export function netnsTest(title: string, body: (t: ExecutionContext, lab: NetnsLab) => Promise<void>): void {
  const declare = canRunLabs ? test : test.skip
  declare(title, async (t) => {
    const lab = await NetnsLab.open()
    try {
      await body(t, lab)
    } finally {
      await lab.close()
    }
  })
}

function reasonAgainst(outcome: Exclude<LabAvailability, { kind: 'root' }>): string {
  switch (outcome.kind) {
    case 'unavailable':
      return outcome.reason
    case 'user-namespace':
      return 'not root; run them with: unshare --user --map-root-user --net -- <command>'
  }
}
