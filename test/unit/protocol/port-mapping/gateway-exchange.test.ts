import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { GatewayExchangeEffect } from '../../../../lib/protocol/port-mapping/gateway-exchange.ts'
import { ASKING, GatewayExchange, LOOKING } from '../../../../lib/protocol/port-mapping/gateway-exchange.ts'

const GATEWAY = transportAddress('192.168.1.1', 5351)
const REQUEST = Uint8Array.of(1)

/** Answers are one byte, 7; 8 belongs to another question; all else is garbage. */
function read(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 7) return 'seven'
  if (bytes[0] === 8) return undefined
  throw new ReachError('ERR_REACH_DECODE', 'garbage')
}

function exchange(timing: typeof ASKING | typeof LOOKING = ASKING) {
  return new GatewayExchange({ ...timing, request: REQUEST, to: GATEWAY, read }, 1_000)
}

function drain(machine: GatewayExchange<string>): GatewayExchangeEffect<string>[] {
  const effects: GatewayExchangeEffect<string>[] = []
  for (let effect = machine.poll(); effect !== undefined; effect = machine.poll()) effects.push(effect)
  return effects
}

const SEND = { kind: 'send', bytes: REQUEST, to: GATEWAY } as const

test('sends at once, repeats, and gives up when its time is over', (t) => {
  const machine = exchange()
  t.deepEqual(drain(machine), [SEND])
  const sentMs = []
  for (let due = machine.deadlineMs; due !== undefined; due = machine.deadlineMs) {
    machine.handleTimeout(due)
    for (const { kind } of drain(machine)) sentMs.push([due - 1_000, kind])
  }
  t.deepEqual(sentMs, [
    [250, 'send'],
    [750, 'send'],
    [1_500, 'timed-out'],
  ])
})

test('is silent when it is woken early, and for ever after it gave up', (t) => {
  const machine = exchange()
  drain(machine)
  machine.handleTimeout(1_100)
  t.deepEqual(drain(machine), [])
  machine.handleTimeout(9_000)
  t.deepEqual(drain(machine), [{ kind: 'timed-out' }])
  machine.handleTimeout(99_000)
  machine.handle({ bytes: Uint8Array.of(7), from: GATEWAY }, 99_000)
  t.deepEqual(drain(machine), [])
  t.is(machine.deadlineMs, undefined)
})

test('an answer ends it, once', (t) => {
  const machine = exchange(LOOKING)
  drain(machine)
  machine.handle({ bytes: Uint8Array.of(7), from: GATEWAY }, 1_003)
  machine.handle({ bytes: Uint8Array.of(7), from: GATEWAY }, 1_004)
  t.deepEqual(drain(machine), [{ kind: 'answered', answer: 'seven' }])
  t.is(machine.deadlineMs, undefined)
})

test('only the asked address and port count (RFC 6886 §3.1, RFC 6887 §8.3)', (t) => {
  const machine = exchange()
  drain(machine)
  const bytes = Uint8Array.of(7)
  machine.handle({ bytes, from: transportAddress('192.168.1.2', 5351) }, 1_001)
  machine.handle({ bytes, from: transportAddress('192.168.1.1', 5350) }, 1_001)
  machine.handle({ bytes: Uint8Array.of(8), from: GATEWAY }, 1_001)
  machine.handle({ bytes: Uint8Array.of(9), from: GATEWAY }, 1_001)
  t.deepEqual(drain(machine), [])
  t.is(machine.deadlineMs, 1_250)
})

test('looking for a service ends before asking for a mapping may take over, both within 3 s', (t) => {
  t.true(LOOKING.timeoutMs + ASKING.timeoutMs <= 3_000)
})
