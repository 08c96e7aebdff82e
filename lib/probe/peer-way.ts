import type { Fact } from '../base/fact.ts'
import { inferred, measured, unknown } from '../base/fact.ts'
import type { EgressFact, EgressTransport, PeerWay } from './report.ts'

/** The ways of a peer (lib/ways), best first, and what has to work for each. */
const LADDER: readonly {
  readonly way: Exclude<PeerWay, 'none'>
  readonly needs: readonly EgressTransport[]
}[] = [
  { way: 'direct', needs: ['tls'] }, // over TCP, as whatever the relay says there
  { way: 'websocket', needs: ['websocket'] },
  { way: 'connect-proxy', needs: ['connect-proxy'] },
  { way: 'socks5', needs: ['socks5'] },
  { way: 'ssh', needs: ['ssh'] },
]

/** The way that a peer would take to a relay, by what is known of the ways out; the evidence says why no better one. */
export function peerWayOf(facts: readonly EgressFact[]): Fact<PeerWay> {
  const reasons: string[] = []
  for (const { way, needs } of LADDER) {
    const tried = needs.map((transport) => statesOf(facts, transport))
    if (tried.every(({ state }) => state === 'absent')) continue
    if (tried.every(({ state }) => state === 'works' || state === 'absent')) {
      return measured(way, `${way} works`, ...reasons)
    }
    reasons.push(...tried.flatMap(({ state, why }) => (state === 'works' ? [] : [`${way}: ${why}`])))
  }
  const isKnown = facts.length > 0 && facts.every(({ value }) => value === false)
  return isKnown ? inferred('none', ...reasons) : unknown(...reasons)
}

function statesOf(facts: readonly EgressFact[], transport: EgressTransport) {
  const of = facts.filter((fact) => fact.transport === transport)
  const [first] = of
  if (first === undefined) return { state: 'absent', why: '' } as const
  if (of.some(({ value }) => value === true)) return { state: 'works', why: '' } as const
  const said = first.error ?? first.evidence[0] ?? 'it was not tried'
  return { state: 'fails', why: `${transport}: ${said}` } as const
}
