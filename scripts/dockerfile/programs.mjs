import { spawn } from 'node:child_process'

/** Debian keeps the programs of administrators where a user's path may not lead. */
export const PATH = `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin`

/** What a program ended with. */
export class ProgramFailure extends Error {
  constructor(argv, code, output) {
    super(`${argv.slice(0, 3).join(' ')} … ended with ${code}:\n${output.split('\n').slice(-25).join('\n')}`)
    this.output = output
  }
}

/**
 * Runs a program to its end and answers what it said on both outputs.
 * @throws {ProgramFailure} when it fails, or takes longer than `timeoutMs`
 */
export async function run(argv, { env = { ...process.env, PATH }, timeoutMs = 120_000 } = {}) {
  const { code, output } = await attempt(argv, { env, timeoutMs })
  if (code !== 0) throw new ProgramFailure(argv, code, output)
  return output
}

/** The same, whatever it ends with. A program that ran out of time was killed, and its code is null. */
export function attempt(argv, { env = { ...process.env, PATH }, timeoutMs = 120_000 } = {}) {
  return new Promise((settle) => {
    const [command, ...rest] = argv
    const child = spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', (error) => settle({ code: 127, output: error.message }))
    child.on('close', (code) => {
      clearTimeout(timer)
      settle({ code, output: output.trim() })
    })
  })
}
