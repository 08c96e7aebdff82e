import type { RunningProgram } from './running-program.ts'

/** Carries what one says to the other, as a relayed session would, until it ends. */
export async function carrySignals(from: RunningProgram, to: RunningProgram): Promise<void> {
  for (;;) {
    const match = await from.waitForLine(/^signal (.*)$/, { timeoutMs: 60_000 }).catch(() => undefined)
    if (match === undefined) return
    to.say(match[1] ?? '')
  }
}

/** What an agent says behind a word. */
export async function jsonOf(program: RunningProgram, word: string): Promise<unknown> {
  const match = await program.waitForLine(new RegExp(`^${word} (.*)$`), { timeoutMs: 60_000 })
  return JSON.parse(match[1] ?? '')
}
