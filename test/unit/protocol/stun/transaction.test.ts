import test from 'ava'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import {
  BINDING_METHOD,
  decodeStun,
  encodeStun,
  findAttribute,
} from '../../../../lib/protocol/stun/message.ts'
import type { StunMessage } from '../../../../lib/protocol/stun/message.ts'
import {
  INITIAL_RTO_MS,
  LAST_WAIT_FACTOR,
  MAX_REQUESTS,
  StunTransaction,
  TCP_TIMEOUT_MS,
} from '../../../../lib/protocol/stun/transaction.ts'
import type { StunOutcome, StunTransactionOptions } from '../../../../lib/protocol/stun/transaction.ts'

const server = transportAddress('192.0.2.1', 3478)
const mapped: StunAttribute = { type: 'xor-mapped-address', address: transportAddress('198.51.100.9', 4242) }

test('sends at 0, 500, 1500, 3500, 7500, 15500 and 31500 ms and gives up at 39500 ms (RFC 8489 §6.2.1)', (t) => {
  const run = start()
  t.deepEqual(run.untilDone(), { kind: 'timeout', requestsSent: MAX_REQUESTS })
  t.deepEqual(
    run.sent.map(({ atMs }) => atMs),
    [0, 500, 1500, 3500, 7500, 15_500, 31_500],
  )
  t.is(run.nowMs, 39_500)
  t.is(new Set(run.sent.map(({ bytes }) => bytes.join())).size, 1, 'a retransmission is the same request')
  t.is(run.transaction.deadlineMs, undefined)
})

test('takes RTO, Rc and Rm from the caller', (t) => {
  const run = start({ initialRtoMs: 100, maxRequests: 3, lastWaitFactor: 4 })
  run.untilDone()
  t.deepEqual(
    run.sent.map(({ atMs }) => atMs),
    [0, 100, 300],
  )
  t.is(run.nowMs, 700)
})

test('starts from the time it is made', (t) => {
  const run = start({}, 1_000_000)
  run.untilDone()
  t.is(run.nowMs, 1_039_500)
})

test('does nothing when its timer comes early', (t) => {
  const run = start()
  run.transaction.handleTimeout(499)
  t.is(run.transaction.poll(), undefined)
  t.is(run.transaction.deadlineMs, INITIAL_RTO_MS)
})

test('catches up with one request, not many, after a pause of the process', (t) => {
  const run = start()
  run.advanceTo(10_000)
  t.is(run.sent.length, 2)
  t.is(run.transaction.deadlineMs, 11_000)
})

test('sends once over TCP and gives up after 39500 ms (RFC 8489 §6.2.2)', (t) => {
  const run = start({ server: transportAddress('192.0.2.1', 3478, 'tcp') })
  t.deepEqual(run.untilDone(), { kind: 'timeout', requestsSent: 1 })
  t.is(run.sent.length, 1)
  t.is(run.nowMs, TCP_TIMEOUT_MS)
  // RFC 8489 §6.2.2 chose it so.
  t.is(TCP_TIMEOUT_MS, (2 ** (MAX_REQUESTS - 1) - 1 + LAST_WAIT_FACTOR) * INITIAL_RTO_MS)
})

test('ends with the response, and its round trip time', (t) => {
  const run = start()
  run.advanceTo(42)
  const outcome = run.answer({ attributes: [mapped] })
  t.is(outcome?.kind, 'success')
  t.like(outcome, { kind: 'success', rttMs: 42, challenge: undefined })
  t.is(run.transaction.deadlineMs, undefined)
})

test('gives no round trip time after a retransmission (Karn)', (t) => {
  const run = start()
  run.advanceTo(500)
  run.advanceTo(501)
  t.like(run.answer({ attributes: [mapped] }), { kind: 'success', rttMs: undefined })
})

test('carries the caller’s attributes and FINGERPRINT', (t) => {
  const run = start({
    attributes: [{ type: 'change-request', changeIp: true, changePort: false }],
    fingerprint: true,
  })
  t.deepEqual(
    run.lastRequest().attributes.map(({ type }) => type),
    ['change-request', 'fingerprint'],
  )
})

test('ignores the right answer from the wrong source', (t) => {
  const run = start()
  for (const from of [
    transportAddress('192.0.2.1', 3479),
    transportAddress('192.0.2.2', 3478),
    transportAddress('192.0.2.1', 3478, 'tcp'),
  ]) {
    t.is(run.answer({ attributes: [mapped] }, from), undefined)
  }
  t.is(run.answer({ attributes: [mapped] })?.kind, 'success')
})

test('expects the answer from where CHANGE-REQUEST sends it, when told', (t) => {
  const answerFrom = transportAddress('192.0.2.2', 3479)
  const run = start({ answerFrom })
  t.is(run.answer({ attributes: [mapped] }), undefined)
  t.is(run.answer({ attributes: [mapped] }, answerFrom)?.kind, 'success')
})

test('ignores what is no response to its request', (t) => {
  const run = start()
  const id = run.lastRequest().transactionId
  const packets: Uint8Array[] = [
    new Uint8Array(0),
    new Uint8Array(100).fill(0xff),
    run.sentBytes(),
    encodeStun({ class: 'indication', method: BINDING_METHOD, transactionId: id, attributes: [mapped] }),
    encodeStun({ class: 'success', method: 0x003, transactionId: id, attributes: [mapped] }),
    encodeStun({
      class: 'success',
      method: BINDING_METHOD,
      transactionId: new Uint8Array(12),
      attributes: [mapped],
    }),
    // Malformed behind the right id: MAPPED-ADDRESS without a value.
    encodeStun({
      class: 'success',
      method: BINDING_METHOD,
      transactionId: id,
      attributes: [{ type: 'unknown', number: 1, value: new Uint8Array(0) }],
    }),
  ]
  for (const bytes of packets) t.is(run.receive(bytes), undefined)
  t.is(run.answer({ attributes: [mapped] })?.kind, 'success')
})

test('says nothing more once it has ended', (t) => {
  const run = start()
  run.answer({ attributes: [mapped] })
  t.is(run.answer({ attributes: [mapped] }), undefined)
  run.transaction.handle({ kind: 'network-error', code: 'ENETUNREACH' }, 50)
  run.transaction.handleTimeout(100_000)
  t.is(run.transaction.poll(), undefined)
})

test('hands on the server’s refusal', (t) => {
  const outcome = start().answer({
    class: 'error',
    attributes: [
      { type: 'error-code', code: 420, reason: 'Unknown Attribute' },
      { type: 'unknown-attributes', numbers: [0x0003] },
    ],
  })
  t.like(outcome, { kind: 'error', code: 420, reason: 'Unknown Attribute', rttMs: 0 })
  t.deepEqual(outcome?.kind === 'error' && findAttribute(outcome.message, 'unknown-attributes')?.numbers, [3])
})

test('hands on the server that a 300 names (RFC 8489 §10)', (t) => {
  const alternate = transportAddress('198.51.100.1', 3478)
  const attributes: StunAttribute[] = [
    { type: 'error-code', code: 300, reason: 'Try Alternate' },
    { type: 'alternate-server', address: alternate },
    { type: 'alternate-domain', value: 'stun.example.net' },
  ]
  t.deepEqual(start().answer({ class: 'error', attributes }), {
    kind: 'alternate',
    server: alternate,
    domain: 'stun.example.net',
  })
  t.like(start().answer({ class: 'error', attributes: attributes.slice(0, 1) }), { kind: 'error', code: 300 })
})

test('calls a response unusable that the RFC says to treat as failure', (t) => {
  const unknown: StunAttribute = { type: 'unknown', number: 0x7123, value: new Uint8Array(0) }
  t.like(start().answer({ attributes: [mapped, unknown] }), { kind: 'unusable', why: 'unknown-attributes' })
  t.like(start().answer({ class: 'error', attributes: [] }), { kind: 'unusable', why: 'no-error-code' })
  t.like(start().answer({ attributes: [] }), { kind: 'unusable', why: 'no-mapped-address' })
})

test('needs no mapped address in answers to other methods', (t) => {
  const run = start({ method: 0x003 })
  t.is(run.lastRequest().method, 0x003)
  t.is(run.answer({ method: 0x003, attributes: [] })?.kind, 'success')
})

test('ends on a hard network error', (t) => {
  const run = start()
  run.transaction.handle({ kind: 'network-error', code: 'EHOSTUNREACH' }, 5)
  t.deepEqual(run.transaction.poll(), {
    kind: 'done',
    outcome: { kind: 'network-error', code: 'EHOSTUNREACH' },
  })
  t.is(run.transaction.deadlineMs, undefined)
})

/** A transaction with its clock, and what it has sent. */
function start(options: Partial<StunTransactionOptions> = {}, startMs = 0) {
  let ids = 0
  const transaction = new StunTransaction(
    { server, newTransactionId: () => new Uint8Array(12).fill(++ids), ...options },
    startMs,
  )
  const sent: { readonly atMs: number; readonly bytes: Uint8Array }[] = []
  const run = {
    transaction,
    nowMs: startMs,
    sent,
    sentBytes: () => run.sent.at(-1)?.bytes ?? new Uint8Array(0),
    lastRequest: () => decodeStun(run.sentBytes()),
    drain(): StunOutcome | undefined {
      for (let effect = transaction.poll(); effect !== undefined; effect = transaction.poll()) {
        if (effect.kind === 'done') return effect.outcome
        run.sent.push({ atMs: run.nowMs, bytes: effect.bytes })
      }
      return undefined
    },
    advanceTo(nowMs: number): StunOutcome | undefined {
      run.nowMs = nowMs
      transaction.handleTimeout(nowMs)
      return run.drain()
    },
    untilDone(): StunOutcome | undefined {
      let outcome: StunOutcome | undefined
      while (outcome === undefined && transaction.deadlineMs !== undefined) {
        outcome = run.advanceTo(transaction.deadlineMs)
      }
      return outcome
    },
    receive(bytes: Uint8Array, from = server): StunOutcome | undefined {
      transaction.handle({ kind: 'packet', bytes, from }, run.nowMs)
      return run.drain()
    },
    answer(reply: Partial<StunMessage>, from = options.server ?? server): StunOutcome | undefined {
      const { transactionId } = run.lastRequest()
      const message = { class: 'success', method: BINDING_METHOD, transactionId, attributes: [] } as const
      return run.receive(encodeStun({ ...message, ...reply }), from)
    },
  }
  run.drain()
  return run
}
