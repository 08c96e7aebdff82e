import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'

/** A process that is ended with the block that started it. */
export interface Started extends AsyncDisposable {
  readonly child: ChildProcess
}

/** Starts a program on one core. What it says on stderr is shown. */
export function start(core: number, program: string, args: readonly string[]): Started {
  const isPinned = process.platform === 'linux' && cpus().length > 1
  const command = isPinned ? 'taskset' : program
  const rest = isPinned ? ['-c', String(core), program, ...args] : args
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** The lines that a process prints, one by one. */
export function lines(child: ChildProcess): { next(): Promise<string> } {
  if (child.stdout === null) throw new Error('its output is not piped')
  const iterator = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async next() {
      const line = await iterator.next()
      if (line.done === true) throw new Error('it ended without an answer')
      return line.value
    },
  }
}

/** CPU seconds that a process has used so far (proc(5): utime and stime, in ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident memory of a process in KiB. */
export function residentKib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN)
}
