import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { ReachError } from '../../../lib/base/errors.ts'
import { USER_NAMESPACE } from './availability.ts'
import { findTool, programEnvironment } from './tools.ts'

/** Signals that people and service managers end programs with. */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs a program as root of a new user namespace, with our stdin, stdout and stderr, and gives its exit status. A user
 * who may not make network namespaces may make them there, and so open a lab:
 *
 * ```ts
 * const availability = await labAvailability()
 * if (availability.kind === 'user-namespace') {
 *   process.exitCode = await reexecInUserNamespace([process.execPath, ...process.argv.slice(1)])
 * }
 * ```
 *
 * The program sees files as before: the user's own belong to root there. It has no network. It dies with us.
 * @throws {ReachError} ERR_REACH_LAB when `unshare` is missing
 */
export function reexecInUserNamespace(argv: readonly string[]): Promise<number> {
  // setpriv inside: entering a user namespace changes credentials, which clears the setting (prctl(2)).
  const [tool, ...entry] = USER_NAMESPACE
  const setpriv = findTool('setpriv') ?? 'setpriv'
  const command = findTool(tool) ?? tool
  const args = [...entry, '--', setpriv, '--pdeathsig', 'KILL', '--', ...argv]
  const child = spawn(command, args, { stdio: 'inherit', env: programEnvironment() })
  // Ctrl-C in a terminal reaches the program by itself; twice would mean something else to it.
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)
  const passOn = (signal: NodeJS.Signals) => {
    if (signal === 'SIGTERM' || !hasTerminal) child.kill(signal)
  }
  for (const signal of ENDING_SIGNALS) process.on(signal, passOn)
  return new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new ReachError('ERR_REACH_LAB', `cannot start ${command}`, { cause, details: { argv } }))
    })
    child.once('exit', (code, signal) => {
      // As a shell reports it: 128 and the signal's number.
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  }).finally(() => {
    for (const signal of ENDING_SIGNALS) process.off(signal, passOn)
  })
}
