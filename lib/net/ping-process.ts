import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { childEnvironment } from './run-command.ts'
import type { PingAnswer } from './ping-output.ts'
import { isUnusable } from './ping-output.ts'

/** Ours: one ping prints less than 1 KiB; what is beyond this is not read. */
const MAX_OUTPUT_CHARS = 16_384

/** How one ping ended; `unusable`: this host's ping can't do it at all. */
export type PingEnd = PingAnswer | { readonly kind: 'unusable' }

/** A running `ping`. */
export interface PingProcess {
  /** Settles when the process is gone; never rejects. */
  readonly end: Promise<PingEnd>
  /** Ends it at once; idempotent. */
  kill(): void
}

/** Starts a ping, and kills it as soon as it printed an answer: some wait on although it came. */
export function startPing(
  path: string,
  args: readonly string[],
  parse: (text: string) => PingAnswer,
): PingProcess {
  const child = trySpawn(path, args)
  if (child === undefined) return { end: Promise.resolve({ kind: 'unusable' }), kill: () => undefined }
  let output = ''
  let complaints = ''
  let answer: PingAnswer = { kind: 'silent' }
  const kill = () => void child.kill('SIGKILL')
  child.stdout?.setEncoding('latin1').on('data', (text: string) => {
    if (answer.kind !== 'silent' || output.length > MAX_OUTPUT_CHARS) return
    output += text
    answer = parse(output)
    if (answer.kind !== 'silent') kill()
  })
  child.stderr?.setEncoding('latin1').on('data', (text: string) => {
    if (complaints.length <= MAX_OUTPUT_CHARS) complaints += text
  })
  const end = new Promise<PingEnd>((resolve) => {
    // Not there, not executable, or no room for another process.
    child.on('error', () => resolve({ kind: 'unusable' }))
    child.once('close', () => {
      resolve(answer.kind === 'silent' && isUnusable(complaints) ? { kind: 'unusable' } : answer)
    })
  })
  return { end, kill }
}

/** Typed as any child, because without file descriptors left it comes without its pipes. */
function trySpawn(path: string, args: readonly string[]): ChildProcess | undefined {
  try {
    return spawn(path, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      env: childEnvironment(),
    })
  } catch {
    return undefined // what Node does not report by an event, such as no memory: then there is no ping
  }
}
