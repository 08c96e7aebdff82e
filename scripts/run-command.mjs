import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

/** The repository's root. */
export const ROOT = resolve(import.meta.dirname, '..')

/**
 * Runs a program in the repository and keeps what it says, both outputs in one list of lines.
 * @returns {Promise<{ code: number | null, output: string[] }>} a program that can't be started has code 1
 */
export function runCommand(command, args) {
  return new Promise((settle) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = []
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => output.push(line))
    }
    child.on('error', (error) => settle({ code: 1, output: [error.message] }))
    child.on('close', (code) => settle({ code, output }))
  })
}

/** One line for what was done: name, outcome, and how long it took. */
export function summary(name, outcome, startedMs) {
  return `${name.padEnd(13)} ${outcome} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`
}
