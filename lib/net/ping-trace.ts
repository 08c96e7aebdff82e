import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import type { Clock, Hop, TraceOptions } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { listInterfaces } from './interfaces.ts'
import { nodeClock } from './node-clock.ts'
import type { PingAnswer } from './ping-output.ts'
import { parseUnixPing, parseWindowsPing } from './ping-output.ts'
import { pingCommand } from './ping-command.ts'
import type { PingEnd, PingProcess } from './ping-process.ts'
import { startPing } from './ping-process.ts'

/** Ours: one process a hop, all at once; no path on the internet that matters to us is longer. */
export const MAX_HOPS_LIMIT = 64

/**
 * Asks the routers on the way for their addresses, one `ping` process per TTL, all at once. Ends when all hops up to
 * the destination answered, or after `timeoutMs`; every process is gone by then. Undefined when this host has no usable
 * `ping`.
 * @throws the signal's reason when it fires first
 */
export async function traceHops(
  to: TransportAddress,
  options: TraceOptions,
  clock: Clock = nodeClock,
): Promise<readonly Hop[] | undefined> {
  const { maxHops, timeoutMs, signal } = options
  if (!Number.isInteger(maxHops) || maxHops < 1 || maxHops > MAX_HOPS_LIMIT) {
    throw new RangeError(`maxHops must be a whole number from 1 to ${MAX_HOPS_LIMIT}, not ${maxHops}`)
  }
  signal?.throwIfAborted()
  const commands = Array.from({ length: maxHops }, (_, index) =>
    pingCommand(process.platform, { ip: to.ip, ttl: index + 1, timeoutMs }),
  )
  const path = await firstExecutable(commands[0]?.paths ?? [])
  if (path === undefined) return undefined
  signal?.throwIfAborted()
  const parse = parserFor(process.platform, to.ip)
  const pings = commands.map((command) => startPing(path, command?.args ?? [], parse))
  const ends = await endsOf(pings, { clock, timeoutMs, signal })
  signal?.throwIfAborted()
  return ends.every((end) => end.kind === 'unusable') ? undefined : hopsOf(ends)
}

/** The ends of all pings, by TTL. What is still running at the deadline, or behind the destination, is killed. */
async function endsOf(
  pings: readonly PingProcess[],
  limits: { readonly clock: Clock; readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<readonly PingEnd[]> {
  const killFrom = (index: number) => {
    for (const ping of pings.slice(index)) ping.kill()
  }
  const killAll = () => killFrom(0)
  const timer = limits.clock.setTimer(limits.timeoutMs, killAll)
  limits.signal?.addEventListener('abort', killAll, { once: true })
  try {
    return await Promise.all(
      pings.map(async (ping, index) => {
        const end = await ping.end
        if (end.kind === 'reached') killFrom(index + 1)
        return end
      }),
    )
  } finally {
    timer.cancel()
    limits.signal?.removeEventListener('abort', killAll)
  }
}

/**
 * Hops from the ends of the pings with TTL 1, 2, …: up to the first that the destination answered. An `unclear` answer
 * of a router that was seen nearer by is an "unreachable" of that one, so the hop itself stays silent.
 */
export function hopsOf(ends: readonly PingEnd[]): readonly Hop[] {
  const hops: Hop[] = []
  for (const [index, end] of ends.entries()) {
    const ip = ipOf(end)
    const isRepeated = end.kind === 'unclear' && hops.some((hop) => hop.ip === ip)
    hops.push({ ttl: index + 1, ip: isRepeated ? undefined : ip, reached: end.kind === 'reached' })
    if (end.kind === 'reached') break
  }
  return hops
}

function ipOf(end: PingEnd): string | undefined {
  return end.kind === 'silent' || end.kind === 'unusable' ? undefined : end.ip
}

function parserFor(platform: NodeJS.Platform, destination: string): (text: string) => PingAnswer {
  if (platform !== 'win32') return parseUnixPing
  const ownIps = listInterfaces().flatMap((each) => each.addresses.map((address) => address.ip))
  return (text) => parseWindowsPing(text, destination, ownIps)
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      await access(path, constants.X_OK)
      return path
    } catch {
      continue // not here: look in the next folder
    }
  }
  return undefined
}
