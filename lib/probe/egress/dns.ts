import { toHex } from '../../base/hex.ts'
import type { ResolveOutcome, Runtime } from '../../base/runtime.ts'
import { isIp } from '../../base/transport-address.ts'
import type { DnsFact } from '../report.ts'
import type { StepLimits } from '../../net/outward/attempt.ts'
import { readDnsAnswers } from './dns-answers.ts'
import type { DnsAnswer, DnsQuestion } from './dns-answers.ts'
import { attempt } from '../../net/outward/attempt.ts'

export interface ProbeDnsOptions {
  readonly signal?: AbortSignal
  /** For all questions, which are asked at once. @default 1000 */
  readonly budgetMs?: number
}

/** Ours: the names of relays and STUN servers that a person gives; more would only burden their servers. */
const MAX_NAMES = 6

/** Ours: 64 bits, so that nobody can have registered the name. */
const RANDOM_NAME_BYTES = 8

/**
 * RFC 6761 §6.4 and §6.5: nothing exists under `invalid`, which an honest local server may answer by itself, and nothing
 * random under `example.com`, which it has to ask the world for.
 */
const EMPTY_DOMAINS = ['invalid', 'example.com'] as const

const DEFAULT_BUDGET_MS = 1000

/**
 * Asks the resolver of the system for the given names, the configured DNS servers for both kinds of their addresses, and
 * for names that cannot exist. IPs among the names are left out. Rejects only when the signal fires.
 */
export async function probeDns(
  runtime: Runtime,
  names: readonly string[],
  options: ProbeDnsOptions = {},
): Promise<DnsFact> {
  const { budgetMs = DEFAULT_BUDGET_MS, signal } = options
  const limits = { timeoutMs: budgetMs, ...(signal === undefined ? {} : { signal }) }
  const questions = questionsFor(
    runtime,
    [...new Set(names)].filter((name) => !isIp(name)).slice(0, MAX_NAMES),
  )
  const settled = await Promise.allSettled(questions.map((question) => ask(runtime, question, limits)))
  const answers: DnsAnswer[] = []
  for (const result of settled) {
    if (result.status === 'rejected') throw result.reason
    answers.push(result.value)
  }
  return readDnsAnswers(answers, runtime.resolver.servers())
}

function questionsFor(runtime: Runtime, names: readonly string[]): readonly DnsQuestion[] {
  const absent = EMPTY_DOMAINS.map((domain) => `${randomLabel(runtime)}.${domain}`)
  return [
    ...names.map((name) => ({ kind: 'lookup', name }) as const),
    ...names.flatMap((name) => [
      { kind: 'query', name, type: 'A' } as const,
      { kind: 'query', name, type: 'AAAA' } as const,
    ]),
    ...absent.map((name) => ({ kind: 'absent', name }) as const),
  ]
}

function randomLabel(runtime: Runtime): string {
  return toHex(runtime.random.bytes(RANDOM_NAME_BYTES))
}

async function ask(runtime: Runtime, question: DnsQuestion, limits: StepLimits): Promise<DnsAnswer> {
  const { resolver, clock } = runtime
  const asked = await attempt(clock, limits, (signal): Promise<ResolveOutcome> => {
    if (question.kind === 'lookup') return resolver.lookup(question.name, signal)
    return resolver.query(question.name, question.kind === 'query' ? question.type : 'A', signal)
  })
  const outcome: ResolveOutcome = asked.kind === 'done' ? asked.value : { kind: 'failed', code: asked.code }
  return { question, outcome, ms: asked.ms }
}
