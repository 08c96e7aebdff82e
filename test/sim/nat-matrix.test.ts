import test from 'ava'
import type { NatBehavior } from '../../lib/base/nat-behavior.ts'
import { predictPair } from '../../lib/protocol/ice/pair-prediction.ts'
import type { NatDiscoveryReport } from '../../lib/protocol/stun/nat-behavior-discovery.ts'
import { DEFAULT_BUDGET_MS, NatBehaviorDiscovery } from '../../lib/protocol/stun/nat-behavior-discovery.ts'
import { forSeeds } from './for-seeds.ts'
import { startMachine } from './run-machine.ts'
import type { Dependence, PortChoice } from './virtual-nat-options.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'

/** The number; more with P2P_REACH_SIM_SEEDS for nightly runs. */
const SEEDS = Number(process.env.P2P_REACH_SIM_SEEDS ?? 20)

const KINDS: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]
const BEHAVIORS = KINDS.flatMap((mapping) => KINDS.map((filtering) => ({ mapping, filtering })))
const PORTS: readonly PortChoice[] = [
  { kind: 'preserving' },
  { kind: 'sequential' },
  { kind: 'sequential', step: 2 },
  { kind: 'sequential', step: -1 },
  { kind: 'random' },
  { kind: 'block', size: 512 },
]

type Truth = NatBehavior & { readonly step?: number }

interface Side {
  readonly truth: Truth
  readonly discovery: NatBehaviorDiscovery
  readonly host: VirtualHost
}

function side(net: VirtualInternet, behavior: (typeof BEHAVIORS)[number], loss: number): Side {
  const ports = net.random.pick(PORTS)
  const nat = net.nat({ ...behavior, ports, link: { delayMs: net.random.uniform(2, 40) } })
  const link = { delayMs: net.random.uniform(0.2, 30), jitterMs: net.random.uniform(0, 3), loss }
  const host = net.host({ behind: nat, link })
  const server = servers.get(net)
  if (server === undefined) throw new Error('the world has no server')
  const discovery = new NatBehaviorDiscovery({
    family: 'ipv4',
    servers: [server],
    localIp: host.ip,
    newTransactionId: () => host.runtime.random.bytes(12),
  })
  startMachine(host, discovery)
  const step = ports.kind === 'sequential' ? (ports.step ?? 1) : undefined
  const truth = { ...behavior, portAllocation: ports.kind, ...(step === undefined ? {} : { step }) }
  return { truth, discovery, host }
}

const servers = new WeakMap<VirtualInternet, NatDiscoveryReport['contacts'][number]['server']>()

/** Discovers both sides of one pair at once, and says how the verdicts compare with the truth. */
function discoverPair(
  seed: number,
  one: (typeof BEHAVIORS)[number],
  other: (typeof BEHAVIORS)[number],
  loss: number,
): readonly { readonly truth: Truth; readonly report: NatDiscoveryReport }[] {
  const net = new VirtualInternet({ seed })
  servers.set(net, net.stunServer().address)
  const sides = [side(net, one, loss), side(net, other, loss)]
  net.clock.runUntil(DEFAULT_BUDGET_MS + 1)
  return sides.map(({ truth, discovery }) => ({ truth, report: discovery.report(net.clock.nowMs()) }))
}

function behaviorOf({ mapping, filtering, portAllocation }: NatDiscoveryReport): NatBehavior {
  return { mapping: mapping.value, filtering: filtering.value, portAllocation: portAllocation.value }
}

for (const loss of [0, 0.2]) {
  const rule = loss === 0 ? 'named right' : 'named right or unknown, never wrong'
  test(`all 81 pairs of mapping and filtering are ${rule} at ${loss * 100} % loss, ${SEEDS} seeds each`, (t) => {
    const counts = { named: 0, unknown: 0 }
    forSeeds(SEEDS, (seed) => {
      for (const [i, one] of BEHAVIORS.entries()) {
        for (const [j, other] of BEHAVIORS.entries()) {
          for (const { truth, report } of discoverPair(seed * 100 + i * 9 + j, one, other, loss)) {
            for (const name of ['mapping', 'filtering', 'portAllocation'] as const) {
              const { value, evidence } = report[name]
              if (value === 'unknown' && loss > 0) counts.unknown++
              else if (value === truth[name]) counts.named++
              else t.fail(`seed ${seed} ${name} is ${truth[name]}, named ${value}: ${evidence.join('; ')}`)
            }
            const { step } = report.portAllocation
            // Under loss the direction may stay open; what is said must be right.
            if (step !== undefined || loss === 0) t.is(step, truth.step, `seed ${seed}`)
          }
        }
      }
    })
    t.log(`${counts.named} facts named, ${counts.unknown} unknown`)
    t.true(counts.named > 0)
    // Saying "unknown" always would also never be wrong.
    t.true(counts.unknown < counts.named / 20, `${counts.unknown} of ${counts.named} unknown`)
  })
}

test('the prediction for every pair is the same from measured as from true behaviour', (t) => {
  for (const [i, one] of BEHAVIORS.entries()) {
    for (const [j, other] of BEHAVIORS.entries()) {
      const [a, b] = discoverPair(7000 + i * 9 + j, one, other, 0)
      if (a === undefined || b === undefined) throw new Error('a pair has two sides')
      const measured = predictPair(
        { behavior: behaviorOf(a.report), udpWorks: true },
        { behavior: behaviorOf(b.report), udpWorks: true },
      )
      const truth = predictPair({ behavior: a.truth, udpWorks: true }, { behavior: b.truth, udpWorks: true })
      t.is(measured.result, truth.result, `${JSON.stringify(a.truth)} with ${JSON.stringify(b.truth)}`)
    }
  }
})
