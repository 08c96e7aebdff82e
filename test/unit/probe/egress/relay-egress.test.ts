import test from 'ava'
import { parseRelayUrl } from '../../../../lib/base/relay-url.ts'
import { probeRelay } from '../../../../lib/probe/egress/relay-egress.ts'
import type { ProbeRelayOptions } from '../../../../lib/probe/egress/relay-egress.ts'
import { ScriptedRuntime } from './support.ts'

const RELAY = parseRelayUrl('https://relay.example')
const V4 = '203.0.113.9'
const V6 = '2001:db8::9'

/** Probes while time passes in steps of 50 ms, and answers with what it found. */
async function probe(runtime: ScriptedRuntime, options: Partial<ProbeRelayOptions> = {}) {
  const probing = probeRelay(runtime, RELAY, { env: {}, ...options })
  await runtime.advance(...Array.from({ length: 100 }, () => 50))
  const egress = await probing
  if (runtime.clock.pendingTimers > 0) throw new Error('a timer was left')
  if (runtime.sockets.some((socket) => !socket.destroyed)) throw new Error('a socket was left')
  return egress
}

test('TCP is reported once for each family that the name has', async (t) => {
  const dials = { [V4]: { afterMs: 30, code: 'ECONNREFUSED' }, [V6]: { afterMs: 30, code: 'ENETUNREACH' } }
  const runtime = new ScriptedRuntime({ dials, resolving: () => ({ kind: 'found', ips: [V4, V6] }) })
  const egress = await probe(runtime)
  const tcp = egress.facts.filter(({ transport }) => transport === 'tcp')
  t.deepEqual(
    tcp.map(({ ip, value, error }) => [ip, value, error]),
    [
      [V6, false, 'ENETUNREACH'],
      [V4, false, 'ECONNREFUSED'],
    ],
  )
  t.is(egress.tcp.ipv4.value, false)
  t.is(egress.tcp.ipv6.value, false)
})

test('a family that works and one that does not are told apart', async (t) => {
  const dials = { [V4]: { afterMs: 30 }, [V6]: 'silent' as const }
  const runtime = new ScriptedRuntime({ dials, resolving: () => ({ kind: 'found', ips: [V4, V6] }) })
  const egress = await probe(runtime)
  t.like(egress.tcp, { ipv4: { value: true }, ipv6: { value: false, confidence: 'inferred' } })
  t.is(egress.latencyMs, 50)
})

test('a resolver that fails leaves everything unknown, with its code: nothing was tried', async (t) => {
  const runtime = new ScriptedRuntime({ resolving: () => ({ kind: 'failed', code: 'EAI_AGAIN' }) })
  const egress = await probe(runtime)
  t.deepEqual(
    egress.facts.map(({ transport, value, confidence, error }) => [transport, value, confidence, error]),
    ['tcp', 'tls', 'websocket'].map((transport) => [transport, 'unknown', 'unknown', 'EAI_AGAIN']),
  )
  t.deepEqual(runtime.dialled, [])
})

test('the proxy is asked even where the relay’s name cannot be resolved: the proxy may know it', async (t) => {
  const runtime = new ScriptedRuntime({
    dials: { '192.0.2.8': { afterMs: 10, code: 'ECONNREFUSED' } },
    resolving: (question) =>
      question === 'lookup proxy.example'
        ? { kind: 'found', ips: ['192.0.2.8'] }
        : { kind: 'not-found', code: 'ENOTFOUND' },
  })
  const egress = await probe(runtime, { env: { HTTPS_PROXY: 'http://proxy.example:3128' } })
  t.deepEqual(runtime.dialled, ['0 192.0.2.8:3128'])
  t.like(egress.proxy, { value: 'dead', address: 'proxy.example:3128', source: 'HTTPS_PROXY' })
  t.is(egress.tcp.ipv4.value, 'unknown')
})

test('addresses that are handed in are not looked up again', async (t) => {
  const runtime = new ScriptedRuntime({ dials: { [V4]: { afterMs: 1, code: 'ECONNREFUSED' } } })
  await probe(runtime, { resolution: { kind: 'found', ips: [V4] } })
  t.deepEqual(runtime.asked, [])
  t.deepEqual(runtime.dialled, ['0 203.0.113.9:443'])
})

test('a budget that ends before anything is known leaves everything unknown, the proxy too', async (t) => {
  const runtime = new ScriptedRuntime({ resolving: () => 'silent' })
  const egress = await probe(runtime, { env: { HTTPS_PROXY: 'http://proxy.example' }, budgetMs: 1000 })
  t.deepEqual(
    egress.facts.map(({ transport, value, evidence }) => [transport, value, evidence]),
    ['tcp', 'tls', 'websocket', 'connect-proxy'].map((transport) => [
      transport,
      'unknown',
      ['not known within 1000 ms'],
    ]),
  )
  t.is(egress.proxy.value, 'unknown')
})

test('a mistake of the program is not taken for the end of the budget', async (t) => {
  const runtime = new ScriptedRuntime({
    resolving: () => {
      throw new TypeError('mistake')
    },
  })
  await t.throwsAsync(probeRelay(runtime, RELAY, { env: {} }), { message: 'mistake' })
  t.is(runtime.clock.pendingTimers, 0)
})
