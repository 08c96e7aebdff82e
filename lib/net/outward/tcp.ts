import { orAbort } from '../../base/deadline.ts'
import type { Runtime, TcpSocket } from '../../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import { transportAddress } from '../../base/transport-address.ts'
import { protocolError } from '../protocol-error.ts'
import { attempt, stepDeadline } from './attempt.ts'
import type { Failure, StepLimits } from './attempt.ts'
import { owned } from './owned-socket.ts'

/** RFC 8305 §5, "Connection Attempt Delay": the recommended wait before the next address is tried beside the first. */
export const CONNECTION_ATTEMPT_DELAY_MS = 250

/** Ours: a name may have any number of addresses; what the first three of a family don't tell, more will not. */
export const MAX_ADDRESSES_PER_FAMILY = 3

/** A connection that is up. Whoever is handed one destroys its socket. */
export interface TcpConnection {
  readonly kind: 'connected'
  readonly to: TransportAddress
  readonly socket: TcpSocket
  /** From SYN to established, in milliseconds. */
  readonly ms: number
}

/** An address that could not be connected to. */
export interface TcpRefusal extends Failure {
  readonly to: TransportAddress
}

/** How one family of a host did; `none`: it has no address of that family. */
export type FamilyOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'connected'; readonly to: TransportAddress; readonly ms: number }
  | { readonly kind: 'failed'; readonly refusals: readonly TcpRefusal[] }

export interface TcpProbe {
  /** The first connection of any family; undefined when there is none. The caller owns it. */
  readonly first: Promise<TcpConnection | undefined>
  readonly ipv4: Promise<FamilyOutcome>
  readonly ipv6: Promise<FamilyOutcome>
}

type Lane = Exclude<FamilyOutcome, { kind: 'connected' }> | TcpConnection

/**
 * Connects to a host over both families, IPv6 first, one family and one address {@link CONNECTION_ATTEMPT_DELAY_MS}
 * after the other, or as soon as the one before has failed (RFC 8305). Unlike a browser it waits for both families:
 * each is a fact of its own. The connection in `first` belongs to the caller; all others are closed at once.
 * Every promise rejects when `limits.signal` fires.
 * @param limits.timeoutMs for each address
 */
export function probeTcp(
  runtime: Runtime,
  ips: readonly string[],
  port: number,
  limits: StepLimits,
): TcpProbe {
  const v6Addresses = addressesOf('ipv6', ips, port)
  const v4Addresses = addressesOf('ipv4', ips, port)
  const v6 = connectFamily(runtime, v6Addresses, limits)
  const hasBoth = v4Addresses.length > 0 && v6Addresses.length > 0
  const turn = hasBoth ? settledOrLater(runtime, v6, limits.signal) : Promise.resolve()
  const v4 = turn.then(() => connectFamily(runtime, v4Addresses, limits))
  return {
    first: handled(firstConnection([v6, v4])),
    ipv4: handled(v4.then(withoutSocket)),
    ipv6: handled(v6.then(withoutSocket)),
  }
}

/**
 * Connects to a host over whichever family is faster, and leaves no other attempt running.
 * @param limits.timeoutMs for each address
 */
export async function connectAny(
  runtime: Runtime,
  ips: readonly string[],
  port: number,
  limits: StepLimits,
): Promise<TcpConnection | Failure> {
  const startMs = runtime.clock.nowMs()
  const enough = new AbortController()
  const signals = limits.signal === undefined ? [enough.signal] : [enough.signal, limits.signal]
  const probe = probeTcp(runtime, ips, port, { ...limits, signal: AbortSignal.any(signals) })
  const connection = await probe.first
  enough.abort(superseded())
  const families = await Promise.allSettled([probe.ipv6, probe.ipv4])
  if (connection !== undefined) return connection
  for (const family of families) {
    const outcome = family.status === 'fulfilled' ? family.value : undefined
    const refusal = outcome?.kind === 'failed' ? outcome.refusals[0] : undefined
    if (refusal !== undefined) return refusal
  }
  const ms = runtime.clock.nowMs() - startMs
  return { kind: 'failed', code: 'ENODATA', message: 'its name has no address', ms }
}

/** Connects to one address, for a step that needs a connection of its own. @throws what `network.connectTcp` does */
export async function connect(
  runtime: Runtime,
  to: TransportAddress,
  signal: AbortSignal,
): Promise<TcpSocket> {
  const socket = await runtime.network.connectTcp(to, { signal })
  return owned(socket).socket
}

function addressesOf(family: AddressFamily, ips: readonly string[], port: number): TransportAddress[] {
  return ips
    .map((ip) => transportAddress(ip, port, 'tcp'))
    .filter((address) => address.family === family)
    .slice(0, MAX_ADDRESSES_PER_FAMILY)
}

async function connectFamily(
  runtime: Runtime,
  addresses: readonly TransportAddress[],
  limits: StepLimits,
): Promise<Lane> {
  if (addresses.length === 0) return { kind: 'none' }
  const decided = new AbortController()
  const connections: TcpConnection[] = []
  const refusals: TcpRefusal[] = []
  const running: Promise<void>[] = []
  const tryOne = async (to: TransportAddress) => {
    const result = await connectOne(runtime, to, limits, decided.signal)
    if (result.kind === 'failed') return void refusals.push(result)
    connections.push(result)
    decided.abort(superseded())
  }
  try {
    for (const to of addresses) {
      if (decided.signal.aborted) break
      const trying = tryOne(to)
      running.push(trying)
      await settledOrLater(runtime, trying, limits.signal)
    }
    await Promise.all(running)
  } catch (error) {
    await Promise.allSettled(running)
    closeAll(connections)
    throw error
  }
  const [winner, ...late] = connections
  closeAll(late)
  return winner ?? { kind: 'failed', refusals }
}

async function connectOne(
  runtime: Runtime,
  to: TransportAddress,
  limits: StepLimits,
  decided: AbortSignal,
): Promise<TcpConnection | TcpRefusal> {
  const dialled = await attempt(runtime.clock, limits, (ended) =>
    connect(runtime, to, AbortSignal.any([ended, decided])),
  )
  if (dialled.kind === 'failed') return { ...dialled, to }
  return { kind: 'connected', to, socket: dialled.value, ms: dialled.ms }
}

/** The connection of the lane that is first to have one; those that come later are closed. */
async function firstConnection(lanes: readonly Promise<Lane>[]): Promise<TcpConnection | undefined> {
  let isTaken = false
  const takers = lanes.map(async (lane) => {
    const outcome = await lane
    if (outcome.kind !== 'connected') throw protocolError('NOT_CONNECTED', 'no connection')
    if (isTaken) outcome.socket.destroy()
    isTaken = true
    return outcome
  })
  try {
    return await Promise.any(takers)
  } catch {
    // Every lane ended without: quietly when it was refused, with an error when the signal fired.
    await Promise.all(lanes)
    return undefined
  }
}

/** Why the attempts that are still running are given up once one of them has come through. */
function superseded(): Error {
  return protocolError('SUPERSEDED', 'another address answered first')
}

function withoutSocket(lane: Lane): FamilyOutcome {
  return lane.kind === 'connected' ? { kind: 'connected', to: lane.to, ms: lane.ms } : lane
}

/** Waits until something is settled, however, but not longer than the delay between attempts. */
async function settledOrLater(
  runtime: Runtime,
  work: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const limits = { timeoutMs: CONNECTION_ATTEMPT_DELAY_MS, ...(signal === undefined ? {} : { signal }) }
  using pause = stepDeadline(runtime.clock, limits)
  // How it ended is told by `work` itself.
  await orAbort(work, pause.signal).catch(() => undefined)
  signal?.throwIfAborted()
}

/** A promise that may be left alone: its rejection is also that of another one, which is awaited. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

function closeAll(connections: readonly TcpConnection[]): void {
  for (const connection of connections) connection.socket.destroy()
}
