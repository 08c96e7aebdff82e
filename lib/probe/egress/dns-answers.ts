import { inferred, measured } from '../../base/fact.ts'
import type { ResolveOutcome } from '../../base/runtime.ts'
import type { DnsFact } from '../report.ts'

/** `lookup`: as programs do it. `query`: past hosts file and cache. `absent`: a query for a name that cannot exist. */
export type DnsQuestion =
  | { readonly kind: 'lookup' | 'absent'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string; readonly type: 'A' | 'AAAA' }

export interface DnsAnswer {
  readonly question: DnsQuestion
  readonly outcome: ResolveOutcome
  readonly ms: number
}

/** Ours: enough of a long answer to recognise it. */
const MAX_IPS_SHOWN = 2

/**
 * Sums up how names are resolved here. `hijacked`: an address came for a name that does not exist. `failing`: nothing
 * that programs ask is answered; that a name does not exist is an answer.
 */
export function readDnsAnswers(answers: readonly DnsAnswer[], servers: readonly string[]): DnsFact {
  const evidence = [
    servers.length === 0 ? 'no DNS server is configured' : `DNS servers: ${servers.join(', ')}`,
    ...answers.map(sentence),
  ]
  const extra = { servers, ...latency(answers), ...ipv6(answers) }
  if (answers.some(({ question, outcome }) => question.kind === 'absent' && outcome.kind === 'found')) {
    return { ...measured('hijacked', ...evidence), ...extra }
  }
  const lookups = answers.filter(({ question }) => question.kind === 'lookup')
  const decisive = lookups.length > 0 ? lookups : answers
  if (decisive.some(isAnswered)) return { ...measured('ok', ...evidence), ...extra }
  // Silence may also be ours: the network may come up a second later.
  const isSilence = decisive.every(({ outcome }) => outcome.kind === 'failed' && SILENCE.has(outcome.code))
  const fact = isSilence
    ? inferred('failing' as const, ...evidence)
    : measured('failing' as const, ...evidence)
  return { ...fact, ...extra }
}

/** Our deadline's code, and that of c-ares. */
const SILENCE: ReadonlySet<string> = new Set(['ETIMEDOUT', 'ETIMEOUT'])

function isAnswered({ outcome }: DnsAnswer): boolean {
  return outcome.kind !== 'failed'
}

function sentence({ question, outcome, ms }: DnsAnswer): string {
  const what = question.kind === 'query' ? `${question.type} of ${question.name}` : question.name
  const when = `${Math.round(ms)} ms`
  switch (outcome.kind) {
    case 'found': {
      const ips = outcome.ips.slice(0, MAX_IPS_SHOWN).join(', ')
      const isLie = question.kind === 'absent'
      return isLie ? `${what} cannot exist, but is said to be ${ips} (${when})` : `${what}: ${ips} (${when})`
    }
    case 'not-found':
      return question.kind === 'absent'
        ? `${what} does not exist, as it should be (${when})`
        : `${what}: none (${outcome.code}, ${when})`
    case 'failed':
      return `${what}: no answer (${outcome.code}, ${when})`
  }
}

/** The median of what the servers took; of the system's lookups when no server answered us directly. */
function latency(answers: readonly DnsAnswer[]): { readonly latencyMs?: number } {
  const answered = answers.filter(isAnswered)
  const direct = answered.filter(({ question }) => question.kind !== 'lookup')
  const times = (direct.length > 0 ? direct : answered).map(({ ms }) => ms).sort((a, b) => a - b)
  const median = times[Math.floor(times.length / 2)]
  return median === undefined ? {} : { latencyMs: median }
}

/** True when an IPv6 address came; false when only those questions fail; else nothing was learnt. */
function ipv6(answers: readonly DnsAnswer[]): { readonly ipv6?: boolean } {
  const outcomes = (type: 'A' | 'AAAA') =>
    answers.filter(({ question }) => question.kind === 'query' && question.type === type)
  const aaaa = outcomes('AAAA')
  if (aaaa.some(({ outcome }) => outcome.kind === 'found')) return { ipv6: true }
  const isDropped = aaaa.length > 0 && !aaaa.some(isAnswered) && outcomes('A').some(isAnswered)
  return isDropped ? { ipv6: false } : {}
}
