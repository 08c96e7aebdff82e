import test from 'ava'
import { connectAny, probeTcp } from '../../../../lib/net/outward/tcp.ts'
import { ScriptedRuntime } from './support.ts'

const LIMITS = { timeoutMs: 2500 }
const V4 = '192.0.2.1'
const V6 = '2001:db8::1'

test('IPv6 goes first, IPv4 250 ms later (RFC 8305 §5), and each family has its own outcome', async (t) => {
  const runtime = new ScriptedRuntime({ dials: { [V4]: { afterMs: 20 }, [V6]: { afterMs: 400 } } })
  const probe = probeTcp(runtime, [V4, V6], 443, LIMITS)
  await runtime.advance(250, 20, 130)
  t.deepEqual(runtime.dialled, ['0 [2001:db8::1]:443', '250 192.0.2.1:443'])
  const first = await probe.first
  t.is(first?.to.ip, V4)
  t.is(first?.ms, 20)
  t.like(await probe.ipv4, { kind: 'connected', ms: 20 })
  t.like(await probe.ipv6, { kind: 'connected', ms: 400 })
  t.deepEqual(
    runtime.sockets.map((socket) => socket.destroyed),
    [false, true],
  )
  t.is(runtime.clock.pendingTimers, 0)
})

test('IPv4 does not wait once IPv6 has answered or failed', async (t) => {
  for (const outcome of [{ afterMs: 30 }, { afterMs: 30, code: 'ENETUNREACH' }]) {
    const runtime = new ScriptedRuntime({ dials: { [V4]: { afterMs: 5 }, [V6]: outcome } })
    const probe = probeTcp(runtime, [V4, V6], 443, LIMITS)
    await runtime.advance(30, 5)
    t.deepEqual(runtime.dialled, ['0 [2001:db8::1]:443', '30 192.0.2.1:443'])
    t.like(await probe.ipv4, { kind: 'connected' })
    t.is((await probe.ipv6).kind, 'code' in outcome ? 'failed' : 'connected')
    t.is(runtime.clock.pendingTimers, 0)
  }
})

test('one family alone starts at once', async (t) => {
  const runtime = new ScriptedRuntime({ dials: { [V4]: { afterMs: 5 } } })
  const probe = probeTcp(runtime, [V4], 80, LIMITS)
  await runtime.advance(5)
  t.deepEqual(runtime.dialled, ['0 192.0.2.1:80'])
  t.like(await probe.ipv6, { kind: 'none' })
  t.like(await probe.ipv4, { kind: 'connected' })
})

test('several addresses of a family: the next joins after 250 ms, the first to answer ends the others', async (t) => {
  const dials = {
    '192.0.2.1': 'silent',
    '192.0.2.2': { afterMs: 10, code: 'ECONNREFUSED' },
    '192.0.2.3': { afterMs: 10 },
  } as const
  const runtime = new ScriptedRuntime({ dials })
  const probe = probeTcp(runtime, Object.keys(dials), 443, LIMITS)
  await runtime.advance(250, 10, 10)
  t.deepEqual(runtime.dialled, ['0 192.0.2.1:443', '250 192.0.2.2:443', '260 192.0.2.3:443'])
  t.like(await probe.ipv4, { kind: 'connected', to: { ip: '192.0.2.3' } })
  t.is(runtime.clock.pendingTimers, 0)
})

test('no more than three addresses of a family are tried, and all refusals are reported', async (t) => {
  const ips = Array.from({ length: 50 }, (_, i) => `192.0.2.${i + 1}`)
  const dials = Object.fromEntries(ips.map((ip) => [ip, { afterMs: 1, code: 'ECONNREFUSED' }]))
  const runtime = new ScriptedRuntime({ dials })
  const probe = probeTcp(runtime, ips, 443, LIMITS)
  await runtime.advance(1, 1, 1)
  const outcome = await probe.ipv4
  if (outcome.kind !== 'failed') return t.fail(outcome.kind)
  t.deepEqual(
    outcome.refusals.map(({ to, code }) => `${to.ip} ${code}`),
    ips.slice(0, 3).map((ip) => `${ip} ECONNREFUSED`),
  )
  t.is(await probe.first, undefined)
  t.is(runtime.dialled.length, 3)
})

test('silence is a failure after the time that was given', async (t) => {
  const runtime = new ScriptedRuntime({})
  const probe = probeTcp(runtime, [V4], 443, LIMITS)
  await runtime.advance(2500)
  t.like(await probe.ipv4, { kind: 'failed' })
  t.is(await probe.first, undefined)
  t.is(runtime.clock.pendingTimers, 0)
})

test('giving up rejects every promise with the caller’s reason, and closes what is open', async (t) => {
  const caller = new AbortController()
  const runtime = new ScriptedRuntime({ dials: { [V6]: 'silent', [V4]: 'silent' } })
  const probe = probeTcp(runtime, [V4, V6], 443, { ...LIMITS, signal: caller.signal })
  await runtime.advance(300)
  caller.abort(new Error('enough'))
  for (const promise of [probe.first, probe.ipv4, probe.ipv6])
    await t.throwsAsync(promise, { message: 'enough' })
  t.is(runtime.clock.pendingTimers, 0)
  t.deepEqual(runtime.sockets, [])
})

test('connectAny gives the fastest connection and leaves no attempt running', async (t) => {
  const runtime = new ScriptedRuntime({ dials: { [V6]: 'silent', [V4]: { afterMs: 10 } } })
  const connecting = connectAny(runtime, [V4, V6], 443, LIMITS)
  await runtime.advance(250, 10)
  const connection = await connecting
  t.is(connection.kind, 'connected')
  t.is(runtime.clock.pendingTimers, 0)
  t.deepEqual(
    runtime.sockets.map((socket) => socket.destroyed),
    [false],
  )
})

test('connectAny tells the first refusal, and that a name without addresses has none', async (t) => {
  const dials = { [V6]: { afterMs: 1, code: 'ENETUNREACH' }, [V4]: { afterMs: 1, code: 'ECONNREFUSED' } }
  const runtime = new ScriptedRuntime({ dials })
  const connecting = connectAny(runtime, [V4, V6], 443, LIMITS)
  await runtime.advance(1, 1)
  t.like(await connecting, { kind: 'failed', code: 'ENETUNREACH' })
  t.like(await connectAny(runtime, [], 443, LIMITS), { kind: 'failed', code: 'ENODATA' })
})
