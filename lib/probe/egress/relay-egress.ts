import type { RelayUrl } from '../../base/relay-url.ts'
import type { ResolveOutcome, Runtime } from '../../base/runtime.ts'
import type { EgressFact } from '../report.ts'
import { all, stepDeadline } from '../../net/outward/attempt.ts'
import { directTransports, probeDirect } from './direct-egress.ts'
import type { RelayProbe } from './direct-egress.ts'
import { EgressLedger } from './egress-ledger.ts'
import type { RelayEgress } from './egress-ledger.ts'
import { probeProxy } from './proxy-egress.ts'
import { proxyFor } from '../../net/outward/proxy-environment.ts'
import type { ProxyChoice, ProxyEnvironment } from '../../net/outward/proxy-environment.ts'

export type { RelayEgress } from './egress-ledger.ts'

export interface ProbeRelayOptions {
  /** Ends the probe, which then rejects with its reason. */
  readonly signal?: AbortSignal
  /** Where to look for a proxy. */
  readonly env: ProxyEnvironment
  /** Called with each way out as soon as it is known. */
  readonly onFact?: (fact: EgressFact) => void
  /** The relay's addresses, when they have been looked up already. */
  readonly resolution?: ResolveOutcome
  /** For each step: name, TCP, TLS, HTTP, … @default 2500 */
  readonly stepTimeoutMs?: number
  /** For everything; what is not known by then is unknown. @default 3500 */
  readonly budgetMs?: number
}

export const defaults = Object.freeze({
  /** Ours: TCP repeats a lost SYN after 1 s (RFC 6298 §2); the second loss is one too many to wait for. */
  stepTimeoutMs: 2500,
  /** Ours: people wait 5 s for a diagnosis. */
  budgetMs: 3500,
})

/**
 * Finds out which ways lead to a relay: TCP over both families, TLS, WebSocket, and the proxy that the environment
 * names; on the way it reads the relay's description and clock, and asks it for our public address (STUN over TCP).
 * Everything that can run at the same time does. What the network does is a value; rejects only when
 * `options.signal` fires, and leaves nothing running.
 */
export async function probeRelay(
  runtime: Runtime,
  relay: RelayUrl,
  options: ProbeRelayOptions,
): Promise<RelayEgress> {
  const {
    signal,
    env,
    onFact,
    stepTimeoutMs = defaults.stepTimeoutMs,
    budgetMs = defaults.budgetMs,
  } = options
  signal?.throwIfAborted()
  using budget = stepDeadline(runtime.clock, {
    timeoutMs: budgetMs,
    ...(signal === undefined ? {} : { signal }),
  })
  const ledger = new EgressLedger(relay, onFact)
  const limits = { timeoutMs: stepTimeoutMs, signal: budget.signal }
  const probe = { runtime, relay, ledger, limits }
  const choice = proxyFor(env, relay)
  const direct = directTransports(relay)
  try {
    await all([probeDirect(probe, options.resolution), throughProxy(probe, choice)])
  } catch (error) {
    signal?.throwIfAborted()
    // The budget is used up: what is in the ledger by now is the result.
    if (error !== budget.signal.reason) throw error
  }
  const expected = choice.kind === 'proxy' ? [...direct, proxyTransport(choice)] : direct
  return ledger.close(expected, `not known within ${budgetMs} ms`)
}

async function throughProxy(
  { runtime, relay, ledger, limits }: RelayProbe,
  choice: ProxyChoice,
): Promise<void> {
  const { proxy, way } = await probeProxy(runtime, relay, choice, limits)
  ledger.proxy = proxy
  if (way !== undefined) ledger.add(proxyTransport(choice), way)
}

function proxyTransport(choice: ProxyChoice): 'connect-proxy' | 'socks5' {
  return choice.kind === 'proxy' && choice.proxy.kind === 'socks5' ? 'socks5' : 'connect-proxy'
}
