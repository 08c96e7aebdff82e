import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import { ReachError } from '../base/errors.ts'
import { childEnvironment } from './run-command.ts'
import { systemCode } from './system-error.ts'

/** A program of the system that works for us until it is stopped. */
export interface HelperProgram {
  /** Resolves when it has ended, with its exit code; undefined when a signal ended it. Never rejects. */
  readonly ended: Promise<number | undefined>
  /** Asks it to end; idempotent. */
  stop(): void
}

/**
 * Starts a program without a shell: words are arguments and nothing else. What it prints on stderr is read by lines. It ends
 * with us, also when we are killed (not on Windows).
 * @throws {ReachError} ERR_REACH_SOCKET when it can't be started
 */
export function startHelper(
  words: readonly string[],
  onLine: (line: string) => void,
): Promise<HelperProgram> {
  const [program = '', ...args] = words
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) =>
      reject(
        new ReachError('ERR_REACH_SOCKET', `cannot run ${program} (${systemCode(error)})`, {
          cause: error,
          hint: 'check that it is installed, and how it is spelled',
          details: { program, code: systemCode(error) },
        }),
      )
    let child: ChildProcess
    try {
      const stdio = ['ignore', 'ignore', 'pipe'] as const
      child = spawn(program, args, { stdio: [...stdio], windowsHide: true, env: childEnvironment() })
    } catch (error) {
      failed(error)
      return
    }
    child.stderr?.setEncoding('utf8').on('data', byLines(onLine))
    const ended = new Promise<number | undefined>((settle) => {
      child.once('close', (code) => settle(code ?? undefined))
    })
    child.once('error', failed)
    child.once('spawn', () => {
      const release = endWithUs(child.pid)
      child.once('exit', release)
      resolve({ ended, stop: () => void child.kill('SIGTERM') })
    })
  })
}

/**
 * Has a process ended when ours is gone, even by SIGKILL: a shell waits for the end of a pipe that we hold. An `ssh` that
 * lived on would keep our place at its server. Answers what calls the watch off; without a shell there is none.
 */
function endWithUs(pid: number | undefined): () => void {
  if (pid === undefined || process.platform === 'win32') return () => undefined
  const script = 'read -r _; kill "$1" 2>/dev/null'
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: childEnvironment(),
  })
  watcher.on('error', () => undefined)
  watcher.stdin.on('error', () => undefined)
  watcher.unref()
  if (watcher.stdin instanceof Socket) watcher.stdin.unref()
  return () => void watcher.kill('SIGKILL')
}

/** Ours: a line that is longer is cut; nobody reads so far. */
const MAX_LINE_LENGTH = 4096

function byLines(onLine: (line: string) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH)
    for (const line of lines) onLine(line.trimEnd())
  }
}
