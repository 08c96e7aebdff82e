import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'

/** A process that is ended with the block that started it. */
export interface Started extends AsyncDisposable {
  readonly child: ChildProcess
}

/** How a program is started. */
export interface StartOptions {
  /** What it says on stderr: shown, or dropped. */
  readonly stderr?: 'inherit' | 'ignore'
}

/** Starts a program, on one core when one is given. */
export function start(
  core: number | undefined,
  program: string,
  args: readonly string[],
  { stderr = 'inherit' }: StartOptions = {},
): Started {
  const isPinned = core !== undefined && process.platform === 'linux' && cpus().length > 1
  const command = isPinned ? 'taskset' : program
  const rest = isPinned ? ['-c', String(core), program, ...args] : args
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', stderr] })
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

/** A process and all that descend from it and live. */
export function familyOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue
    const parent = parentOf(Number(entry))
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
  }
  const family = [pid]
  for (let at = 0; at < family.length; at++) family.push(...(children.get(family[at] ?? 0) ?? []))
  return family
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined // it has ended since
  }
}

/** CPU seconds of a process and its living descendants. */
export function familyCpuSeconds(pid: number): number {
  return familyOf(pid).reduce((sum, one) => sum + cpuSeconds(one), 0)
}

/** Memory of a process and its living descendants in KiB; pages that they share count once (PSS). */
export function familyKib(pid: number): number {
  const pss = (one: number) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))?.[1] ?? NaN)
  return familyOf(pid).reduce((sum, one) => sum + pss(one), 0)
}

/** CPU seconds that the whole machine has spent on work so far, and those that it could have (proc(5), in ticks of 10 ms). */
export function machineCpuSeconds(): { readonly busy: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const all = ticks.reduce((sum, one) => sum + one, 0)
  return { busy: (all - (ticks[3] ?? 0) - (ticks[4] ?? 0)) / 100, all: all / 100 }
}
