import { execFile } from 'node:child_process'

/** Ours: netstat and route answer within milliseconds; one that hangs must not hang us. */
const COMMAND_TIMEOUT_MS = 3_000

/** Ours: a routing table of ten thousand lines; more is not what we asked for. */
const MAX_OUTPUT_BYTES = 1 << 20

/** Surroundings of a child process: as ours, but with messages and numbers untranslated where the system allows it. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', LANG: 'C' }
}

/**
 * What a program of the system prints; undefined when it can't be run, fails, or takes too long. `path` is absolute and
 * no shell is involved, so nothing can be smuggled in.
 */
export function runCommand(path: string, args: readonly string[]): Promise<string | undefined> {
  const options = {
    timeout: COMMAND_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    windowsHide: true,
    env: childEnvironment(),
    // IPs and numbers are ASCII in every code page of Windows.
    encoding: 'latin1',
  } as const
  return new Promise((resolve) => {
    execFile(path, args, options, (error, stdout) => resolve(error === null ? stdout : undefined))
  })
}

/** A program in the system folder of Windows. */
export function windowsProgram(name: string): string {
  return `${process.env['SystemRoot'] ?? 'C:\\Windows'}\\System32\\${name}`
}
