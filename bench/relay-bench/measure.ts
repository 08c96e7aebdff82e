import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { familyCpuSeconds, familyKib, machineCpuSeconds } from '../support/process.ts'
import type { Running } from './contenders.ts'
import type { BenchRole, Figures } from './figures.ts'

/** V8 compiles what bulk needs, and until it has, it looks at its limits more often and marks the heap of who receives. */
const BULK_WARM_UP_S = 4
const PING_WARM_UP_S = 10
/** More cost a round minutes with one TLS handshake, or one process, each. */
const IDLE_CLIENTS = 40
const AT_ONCE = 16
const PIPELINED = 256

/** CPU that one phase took. */
interface Phase {
  readonly answer: unknown
  readonly cpuS: ReadonlyMap<BenchRole, number>
  readonly foreign: number
}

/** Measures all that there is to measure of one contender. @param hasSession many streams share one connection */
export async function measure(running: Running, seconds: number, hasSession: boolean): Promise<Figures> {
  await running.ask(`ping 0.2`)
  const memory = await idleMemory(running)
  await running.ask(`bulk 1 ${BULK_WARM_UP_S}`)
  const one = await phase(running, `bulk 1 ${seconds}`)
  const many = await phase(running, `bulk ${AT_ONCE} ${seconds}`)
  // Bulk has taught V8 other code than small messages need. p50 falls for the first 30,000 of them: of plain TLS by a tenth, of
  // ours, which is more code of our own, by a third.
  await running.ask(`ping ${PING_WARM_UP_S}`)
  const pings = await phase(running, `ping ${seconds / 2}`)
  await running.ask(`opens ${AT_ONCE} 0.2`)
  const opens1 = await phase(running, `opens 1 ${seconds / 2}`)
  const opens16 = await phase(running, `opens ${AT_ONCE} ${seconds / 2}`)
  const opens256 = hasSession ? await phase(running, `opens ${PIPELINED} ${seconds / 2}`) : undefined
  const [bulk1, bulk16] = [one, many].map(({ answer }) => ({
    bytes: field(answer, 'bytes'),
    seconds: field(answer, 'seconds'),
  }))
  const perGb = ({ cpuS }: Phase, bytes: number) => sum(cpuS.values()) / (bytes / 1e9)
  const bytes1 = bulk1?.bytes ?? NaN
  const bytes16 = bulk16?.bytes ?? NaN
  return {
    mbPerS1: bytes1 / 1e6 / (bulk1?.seconds ?? NaN),
    mbPerS16: bytes16 / 1e6 / (bulk16?.seconds ?? NaN),
    cpuSPerGb1: perGb(one, bytes1),
    cpuSPerGb16: perGb(many, bytes16),
    pingP50Us: field(pings.answer, 'p50Us'),
    pingP99Us: field(pings.answer, 'p99Us'),
    opensPerS1: field(opens1.answer, 'perS'),
    opensPerS16: field(opens16.answer, 'perS'),
    opensPerS256: opens256 === undefined ? NaN : field(opens256.answer, 'perS'),
    ...memory,
    foreign: Math.max(...[one, many, pings, opens1, opens16].map(({ foreign }) => foreign)),
    byRole: Object.fromEntries([...one.cpuS].map(([role, cpuS]) => [role, cpuS / (bytes1 / 1e9)])),
  }
}

async function phase(running: Running, command: string): Promise<Phase> {
  const cpuOf = () => new Map([...running.pids].map(([role, pid]) => [role, familyCpuSeconds(pid)]))
  const usage = process.cpuUsage()
  const before = cpuOf()
  const machine = machineCpuSeconds()
  const startMs = performance.now()
  const answer = await running.ask(command)
  const elapsedS = (performance.now() - startMs) / 1000
  const busy = machineCpuSeconds().busy - machine.busy
  const cpuS = new Map([...cpuOf()].map(([role, s]) => [role, s - (before.get(role) ?? 0)]))
  const { user, system } = process.cpuUsage(usage)
  const own = sum(cpuS.values()) + (user + system) / 1e6
  return { answer, cpuS, foreign: Math.max(0, busy - own) / (elapsedS * cpus().length) }
}

async function idleMemory(running: Running): Promise<{ relayKib: number; servingKib: number }> {
  const { addIdle, pids } = running
  const kib = (role: BenchRole) => {
    const pid = pids.get(role)
    return pid === undefined ? NaN : familyKib(pid)
  }
  if (addIdle === undefined) return { relayKib: NaN, servingKib: NaN }
  const before = { relay: kib('relay'), serving: kib('serving') }
  const held = await addIdle(IDLE_CLIENTS)
  await sleep(200)
  const after = { relay: kib('relay'), serving: kib('serving') }
  await held[Symbol.asyncDispose]()
  return {
    relayKib: (after.relay - before.relay) / IDLE_CLIENTS,
    servingKib: (after.serving - before.serving) / IDLE_CLIENTS,
  }
}

function field(answer: unknown, name: string): number {
  const value: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, name) : undefined
  return typeof value === 'number' ? value : NaN
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
