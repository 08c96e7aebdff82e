import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { protocolError } from '../../../../lib/net/protocol-error.ts'
import { orAbort } from '../../../../lib/base/deadline.ts'
import { all, attempt } from '../../../../lib/net/outward/attempt.ts'
import { FakeClock } from '../../net/support/fake-clock.ts'

const LIMITS = { timeoutMs: 100 }

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

test('a step that ends well is done, with the time that it took', async (t) => {
  const clock = new FakeClock()
  const outcome = await attempt(clock, LIMITS, () => {
    clock.advance(7)
    return Promise.resolve('value')
  })
  t.deepEqual(outcome, { kind: 'done', value: 'value', ms: 7 })
  t.is(clock.pendingTimers, 0)
})

test('a deadline is a failure like any other', async (t) => {
  const clock = new FakeClock()
  const trying = attempt(clock, LIMITS, untilAborted)
  clock.advance(100)
  t.deepEqual(await trying, {
    kind: 'failed',
    code: 'ETIMEDOUT',
    message: 'no answer within 100 ms',
    ms: 100,
  })
})

test('codes come from the system, from Node, or from our own errors', async (t) => {
  const clock = new FakeClock()
  const failure = async (error: unknown) => {
    const outcome = await attempt(clock, LIMITS, () => Promise.reject(error))
    return outcome.kind === 'failed' ? [outcome.code, outcome.message] : outcome.kind
  }
  const coded = (code: string) => Object.assign(new Error('text of Node'), { code })
  t.deepEqual(await failure(coded('ECONNRESET')), ['ECONNRESET', 'the connection was cut'])
  t.deepEqual(await failure(coded('EWEIRD')), ['EWEIRD', 'text of Node'])
  t.deepEqual(await failure(coded('HPE_STRICT')), ['HPE_STRICT', 'what answered is not HTTP (HPE_STRICT)'])
  t.deepEqual(await failure(coded('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')), [
    'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
    'the TLS handshake failed: TLSV1_UNRECOGNIZED_NAME',
  ])
  t.deepEqual(await failure(protocolError('STUN_400', 'refused')), ['STUN_400', 'refused'])
  t.deepEqual(await failure(new ReachError('ERR_REACH_DECODE', 'not STUN')), ['ERR_REACH_DECODE', 'not STUN'])
})

test('mistakes of the program are not taken for outcomes of the network', async (t) => {
  const mistake = new TypeError('x is not a function')
  const trying = attempt(new FakeClock(), LIMITS, () => Promise.reject(mistake))
  t.is(await t.throwsAsync(trying), mistake)
})

test('the caller’s reason wins over whatever the step made of it', async (t) => {
  const clock = new FakeClock()
  const caller = new AbortController()
  const trying = attempt(clock, { ...LIMITS, signal: caller.signal }, async (signal) => {
    await untilAborted(signal).catch(() => undefined)
    throw protocolError('ECONNRESET', 'cut')
  })
  caller.abort(new Error('enough'))
  await t.throwsAsync(trying, { message: 'enough' })
  const again = attempt(clock, { ...LIMITS, signal: caller.signal }, () => Promise.resolve(t.fail()))
  await t.throwsAsync(again, { message: 'enough' })
  t.is(clock.pendingTimers, 0)
})

test('all waits for every work before it rejects', async (t) => {
  const ended: string[] = []
  const slow = new Promise<void>((resolve) =>
    setImmediate(() => {
      ended.push('slow')
      resolve()
    }),
  )
  await t.throwsAsync(all([Promise.reject(new Error('fast')), slow]), { message: 'fast' })
  t.deepEqual(ended, ['slow'])
})

test('orAbort settles like the work, or rejects with the signal’s reason', async (t) => {
  const { signal } = new AbortController()
  t.is(await orAbort(Promise.resolve(1), signal), 1)
  const caller = new AbortController()
  const waiting = orAbort(new Promise(() => undefined), caller.signal)
  caller.abort(new Error('enough'))
  await t.throwsAsync(waiting, { message: 'enough' })
  await t.throwsAsync(orAbort(Promise.resolve(1), caller.signal), { message: 'enough' })
})
