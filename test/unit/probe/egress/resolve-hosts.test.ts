import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { resolveHosts } from '../../../../lib/net/outward/resolve-hosts.ts'
import { ScriptedRuntime } from './support.ts'

const FOUND = { kind: 'found', ips: ['203.0.113.9'] } as const
const NONE = { kind: 'not-found', code: 'ENOTFOUND' } as const

test('each name is looked up once, and each endpoint gets its outcome in order', async (t) => {
  const runtime = new ScriptedRuntime({
    resolving: (question) => (question.endsWith('a.example') ? FOUND : { kind: 'failed', code: 'EAI_AGAIN' }),
  })
  const endpoints = [
    { host: 'a.example', port: 443 },
    { host: 'b.example', port: 1 },
    { host: 'a.example', port: 3478 },
  ]
  const resolved = await resolveHosts(runtime, endpoints)
  t.deepEqual(
    resolved.map(({ endpoint, outcome }) => [endpoint, outcome.kind]),
    [
      [endpoints[0], 'found'],
      [endpoints[1], 'failed'],
      [endpoints[2], 'found'],
    ],
  )
  t.deepEqual(runtime.asked, ['lookup a.example', 'lookup b.example'])
})

test('a name that does not exist is the mistake of who wrote it, and the error says which one', async (t) => {
  const runtime = new ScriptedRuntime({ resolving: () => NONE })
  const error = await t.throwsAsync(resolveHosts(runtime, [{ host: 'relya.example', port: 443 }]))
  t.true(ReachError.is(error, 'ERR_REACH_HOST_NOT_FOUND'))
  t.regex(error.message, /relya\.example/)
  t.is(ReachError.is(error) ? error.hint : '', 'check the spelling of the name')
})

test('where absence is an outcome, nothing is thrown', async (t) => {
  const runtime = new ScriptedRuntime({ resolving: () => NONE })
  const [resolved] = await resolveHosts(runtime, [{ host: 'x.example', port: 1 }], { absent: 'outcome' })
  t.like(resolved, { outcome: NONE })
})

test('a resolver that is silent or broken is an outcome, not an error', async (t) => {
  const runtime = new ScriptedRuntime({ resolving: () => 'silent' })
  const resolving = resolveHosts(runtime, [{ host: 'a.example', port: 1 }])
  await runtime.advance(2500)
  t.like((await resolving)[0], { outcome: { kind: 'failed', code: 'ETIMEDOUT' }, ms: 2500 })
  t.is(runtime.clock.pendingTimers, 0)
})

test('a caller who gives up gets his own reason', async (t) => {
  const caller = new AbortController()
  const runtime = new ScriptedRuntime({ resolving: () => 'silent' })
  const resolving = resolveHosts(runtime, [{ host: 'a.example', port: 1 }], { signal: caller.signal })
  caller.abort(new Error('enough'))
  await t.throwsAsync(resolving, { message: 'enough' })
  t.is(runtime.clock.pendingTimers, 0)
})
