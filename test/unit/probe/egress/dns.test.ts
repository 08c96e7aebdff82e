import test from 'ava'
import { probeDns } from '../../../../lib/probe/egress/dns.ts'
import type { DnsFact } from '../../../../lib/probe/report.ts'
import { ScriptedRuntime } from './support.ts'
import type { Resolving } from './support.ts'

const V4 = { kind: 'found', ips: ['203.0.113.9'] } as const
const V6 = { kind: 'found', ips: ['2001:db8::9'] } as const
const NONE = { kind: 'not-found', code: 'ENOTFOUND' } as const
const SERVFAIL = { kind: 'failed', code: 'ESERVFAIL' } as const

const RANDOM_NAME = /^A [0-9a-f]{16}\.(invalid|example\.com)$/

/** A resolver that knows one name, and nothing else. */
const honest: Resolving = (question) => {
  if (!question.endsWith(' relay.example')) return NONE
  return question.startsWith('AAAA') ? V6 : V4
}

async function probe(
  resolving: Resolving,
  names = ['relay.example'],
): Promise<DnsFact & { readonly asked: readonly string[] }> {
  const runtime = new ScriptedRuntime({ resolving })
  const probing = probeDns(runtime, names)
  await runtime.advance(1000)
  const fact = await probing
  if (runtime.clock.pendingTimers > 0) throw new Error('a timer was left')
  return { ...fact, asked: runtime.asked }
}

test('asks the system and the servers for each name once, and for two names that cannot exist', async (t) => {
  const fact = await probe(honest, ['relay.example', 'relay.example', '203.0.113.9', '2001:db8::1'])
  t.deepEqual(fact.asked.slice(0, 3), ['lookup relay.example', 'A relay.example', 'AAAA relay.example'])
  t.deepEqual(
    fact.asked.slice(3).map((question) => RANDOM_NAME.exec(question)?.[1]),
    ['invalid', 'example.com'],
  )
  t.is(new Set(fact.asked).size, 5)
  t.like(fact, { value: 'ok', confidence: 'measured', servers: ['192.0.2.53'], ipv6: true })
  t.is(fact.evidence[0], 'DNS servers: 192.0.2.53')
})

test('without names the random ones still tell whether the servers answer', async (t) => {
  const working = await probe(honest, [])
  t.is(working.asked.length, 2)
  t.like(working, { value: 'ok', confidence: 'measured' })
  t.like(await probe(() => SERVFAIL, []), { value: 'failing', confidence: 'measured' })
})

test('an address for a name that cannot exist is hijacking, for either of the two', async (t) => {
  for (const domain of ['.invalid', '.example.com']) {
    const fact = await probe((question) => (question.endsWith(domain) ? V4 : honest(question)))
    t.like(fact, { value: 'hijacked', confidence: 'measured' })
    t.regex(fact.evidence.join('\n'), /cannot exist, but is said to be 203\.0\.113\.9/)
  }
})

test('a resolver that only fails is failing, with its code; silence is inferred', async (t) => {
  const failing = await probe(() => SERVFAIL)
  t.like(failing, { value: 'failing', confidence: 'measured' })
  t.regex(failing.evidence.join('\n'), /relay\.example: no answer \(ESERVFAIL/)
  t.is(failing.latencyMs, undefined)
  const silent = await probe(() => 'silent')
  t.like(silent, { value: 'failing', confidence: 'inferred' })
  t.regex(silent.evidence.join('\n'), /no answer \(ETIMEDOUT, 1000 ms\)/)
})

test('what programs ask decides: servers that refuse direct questions do no harm, and cannot help', async (t) => {
  t.is((await probe((question) => (question.startsWith('lookup') ? V4 : SERVFAIL))).value, 'ok')
  t.is(
    (await probe((question) => (question.startsWith('lookup') ? SERVFAIL : honest(question)))).value,
    'failing',
  )
})

test('that a name does not exist is an answer', async (t) => {
  t.is((await probe(() => NONE)).value, 'ok')
})

test('IPv6 addresses that are withheld show; names without any tell nothing', async (t) => {
  const withheld = await probe((question) => (question.startsWith('AAAA') ? 'silent' : honest(question)))
  t.like(withheld, { value: 'ok', ipv6: false })
  const without = await probe((question) => (question.startsWith('AAAA') ? NONE : honest(question)))
  t.is(without.ipv6, undefined)
})

test('no more than six names are asked for', async (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `relay${i}.example`)
  t.is((await probe(() => NONE, names)).asked.length, 6 * 3 + 2)
})

test('a long answer is cut in the evidence', async (t) => {
  const ips = Array.from({ length: 1000 }, (_, i) => `198.51.100.${i % 256}`)
  const fact = await probe(() => ({ kind: 'found', ips }))
  t.true(fact.evidence.join('\n').length < 1000)
})

test('a caller who gives up gets his own reason', async (t) => {
  const caller = new AbortController()
  const runtime = new ScriptedRuntime({ resolving: () => 'silent' })
  const probing = probeDns(runtime, ['relay.example'], { signal: caller.signal })
  await runtime.advance(10)
  caller.abort(new Error('enough'))
  await t.throwsAsync(probing, { message: 'enough' })
  t.is(runtime.clock.pendingTimers, 0)
})

test('twenty questions under one signal are no leak to warn of', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  const runtime = new ScriptedRuntime({ resolving: () => 'silent' })
  const names = Array.from({ length: 6 }, (_, i) => `relay${i}.example`)
  const probing = probeDns(runtime, names, { signal: new AbortController().signal })
  await runtime.advance(1000)
  await probing
  process.off('warning', onWarning)
  t.deepEqual(warnings, [])
})
