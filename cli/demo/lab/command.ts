import { spawn, type ChildProcessWithoutNullStreams, type SpawnOptionsWithoutStdio } from 'node:child_process'
import { ReachError } from '../../../lib/base/errors.ts'
import { systemEnvironment } from './tools.ts'

/** What a command said and how it ended. Ending badly is an outcome, not an error: look at `code`. */
export interface CommandResult {
  /** Exit status; undefined when a signal ended it. */
  readonly code: number | undefined
  /** The signal that ended it, if one did. */
  readonly signal: string | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** Given to the command's stdin, which is then closed. */
  readonly input?: string
  /** @default 30_000 ms */
  readonly timeoutMs?: number
  /** Kills the command when it fires. */
  readonly signal?: AbortSignal | undefined
  /** Default: see {@link systemEnvironment} */
  readonly env?: NodeJS.ProcessEnv
  /** Default: the driver's. */
  readonly cwd?: string
}

/** Ours: every command of a lab is local and short; one that takes longer hangs. */
export const COMMAND_TIMEOUT_MS = 30_000

/** Ours: what is kept of a command's stdout and stderr each; the rest is read and dropped. */
export const MAX_COMMAND_OUTPUT_CHARS = 16 * 1024 * 1024

/**
 * Starts a program in its own session: Ctrl-C in a terminal reaches the driver, which then decides, and not the whole
 * lab at once.
 * @throws {ReachError} ERR_REACH_LAB when the program cannot be started
 */
export function startCommand(
  argv: readonly string[],
  options: SpawnOptionsWithoutStdio = {},
): ChildProcessWithoutNullStreams {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { ...options, env: options.env ?? systemEnvironment(), detached: true })
  // 'error' means that it could not be started, told below, or not be signalled, which is a race with its end.
  child.on('error', ignore)
  // A program may end without reading its stdin: EPIPE. How it ended says more.
  child.stdin.on('error', ignore)
  if (child.pid === undefined)
    throw new ReachError('ERR_REACH_LAB', `cannot start ${command}`, { details: { argv } })
  return child
}

/**
 * Runs a command to its end and collects what it prints.
 * @throws {ReachError} ERR_REACH_LAB when it cannot be started, ERR_REACH_TIMEOUT when it was killed for taking too
 * long (with what it had printed in `details`); rejects with the signal's reason when that fires.
 */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  options.signal?.throwIfAborted()
  const child = startCommand(argv, {
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  child.stdin.end(options.input ?? '')
  return collect(child, argv, options)
}

/** Waits for the end of a program started by {@link startCommand}; see {@link runCommand}. */
export function collect(
  child: ChildProcessWithoutNullStreams,
  argv: readonly string[],
  options: Pick<CommandOptions, 'timeoutMs' | 'signal'>,
): Promise<CommandResult> {
  const { timeoutMs = COMMAND_TIMEOUT_MS, signal } = options
  const stdout = gather(child.stdout)
  const stderr = gather(child.stderr)
  return new Promise((resolve, reject) => {
    let failure: { readonly reason: unknown } | undefined
    const kill = (reason: unknown) => {
      failure ??= { reason }
      child.kill('SIGKILL')
      // A grandchild may still hold the pipes: what the kill did not close, we close.
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const timer = setTimeout(() => {
      const details = { argv, timeoutMs, stdout: stdout(), stderr: stderr() }
      kill(
        new ReachError('ERR_REACH_TIMEOUT', `${argv.join(' ')} did not end within ${timeoutMs} ms`, {
          details,
        }),
      )
    }, timeoutMs)
    const onAbort = () => kill(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    child.once('close', (code, killedBy) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      if (failure !== undefined) reject(failure.reason)
      else
        resolve({
          code: code ?? undefined,
          signal: killedBy ?? undefined,
          stdout: stdout(),
          stderr: stderr(),
        })
    })
  })
}

function gather(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    if (text.length < MAX_COMMAND_OUTPUT_CHARS) text += chunk
  })
  return () => text
}

function ignore(): void {
  // see where it is attached
}
