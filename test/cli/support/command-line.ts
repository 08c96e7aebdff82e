import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { CLI } from '../../../cli/program-files.ts'

const SHIFTED_CLOCK = new URL('./shifted-clock.js', import.meta.url).href

/** What a command printed, and what it ended with. */
export interface Transcript {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}

/** A folder that is removed when the test ends. */
export function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-reach-cli-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts the program as if it were `shiftMs` later. */
export function start(argv: readonly string[], shiftMs = 0): ChildProcessWithoutNullStreams {
  const env = { PATH: process.env.PATH, SHIFT_CLOCK_MS: String(shiftMs) }
  return spawn(process.execPath, ['--import', SHIFTED_CLOCK, CLI, ...argv], {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Runs the program to its end; `input` is what it reads. */
export async function run(argv: readonly string[], shiftMs = 0, input = ''): Promise<Transcript> {
  const child = start(argv, shiftMs)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  child.stdin.on('error', () => undefined) // it need not read what it was given
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { stdout, stderr, code }
}
