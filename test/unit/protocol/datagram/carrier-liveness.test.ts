import test from 'ava'
import { CarrierLiveness } from '../../../../lib/protocol/datagram/carrier-liveness.ts'
import { decodeProbe, encodeProbe } from '../../../../lib/protocol/datagram/carrier-probe.ts'

/** A carrier over which packets up to a length arrive, on a clock of the test. */
class Carrier {
  readonly liveness: CarrierLiveness
  readonly pings: (readonly [atMs: number, length: number])[] = []
  nowMs = 0
  carries: number

  constructor(maxLength: number, carries: number) {
    this.liveness = new CarrierLiveness(maxLength, 0)
    this.carries = carries
  }

  /** Goes on to a time, and sends a datagram every `sendEveryMs`. */
  run(untilMs: number, sendEveryMs = Infinity): void {
    let sendAtMs = this.nowMs
    for (;;) {
      const dueMs = Math.min(this.liveness.deadlineMs ?? Infinity, sendAtMs)
      if (dueMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, dueMs)
      if (sendAtMs <= this.nowMs) {
        if (sendEveryMs < Infinity) this.liveness.sent()
        sendAtMs += sendEveryMs
      }
      const ping = this.liveness.handleTimeout(this.nowMs)
      if (ping === undefined) continue
      this.pings.push([this.nowMs, ping.length])
      if (ping.length <= this.carries) this.liveness.answered(ping.id)
    }
    this.nowMs = untilMs
  }
}

test('a carrier is used once a packet of full length was answered, and asked no more while nothing is sent', (t) => {
  const carrier = new Carrier(1472, 1472)
  t.is(carrier.liveness.usableLength, 0)
  carrier.run(60_000)
  t.is(carrier.liveness.usableLength, 1472)
  t.deepEqual(carrier.pings, [[0, 1472]])
  carrier.run(70_000, 100)
  t.true(carrier.pings.length > 4 && carrier.pings.length < 8, `${carrier.pings.length} pings`)
})

test('where full packets get lost, those that every link carries are used, and more when more arrive', (t) => {
  const carrier = new Carrier(1472, 1300)
  carrier.run(1000, 100)
  t.is(carrier.liveness.usableLength, 1232)
  carrier.carries = 1472
  carrier.run(30_000, 100)
  t.is(carrier.liveness.usableLength, 1472)
})

test('a carrier that is in use and dies is given up within seconds, and taken again when it is back', (t) => {
  const carrier = new Carrier(1472, 1472)
  carrier.run(10_000, 100)
  carrier.carries = 0
  carrier.run(15_000, 100)
  t.is(carrier.liveness.usableLength, 0)
  carrier.carries = 1472
  carrier.run(40_000)
  t.is(carrier.liveness.usableLength, 1472)
})

test('one that never answers is asked less and less', (t) => {
  const carrier = new Carrier(1472, 0)
  carrier.run(120_000, 100)
  t.is(carrier.liveness.usableLength, 0)
  t.true(carrier.pings.length < 16, `${carrier.pings.length} pings`)
  t.deepEqual(
    carrier.pings.slice(0, 3).map(([, length]) => length),
    [1472, 1472, 1232],
  )
})

test('an answer that nobody has asked for says nothing', (t) => {
  const liveness = new CarrierLiveness(1472, 0)
  liveness.answered(1)
  t.is(liveness.usableLength, 0)
  const ping = liveness.handleTimeout(0)
  liveness.answered((ping?.id ?? 0) + 1)
  t.is(liveness.usableLength, 0)
  liveness.answered(ping?.id ?? 0)
  t.is(liveness.usableLength, 1472)
})

test('probes are read back, padded or not; what is unknown is none', (t) => {
  t.is(encodeProbe({ type: 'ping', id: 7 }, 1000).length, 1000)
  t.deepEqual(decodeProbe(encodeProbe({ type: 'ping', id: 7 }, 1000)), { type: 'ping', id: 7 })
  t.deepEqual(encodeProbe({ type: 'pong', id: 0x01020304 }), Uint8Array.of(2, 1, 2, 3, 4))
  t.deepEqual(decodeProbe(Uint8Array.of(2, 1, 2, 3, 4)), { type: 'pong', id: 0x01020304 })
  t.is(decodeProbe(Uint8Array.of(3, 0, 0, 0, 1)), undefined)
  t.is(decodeProbe(Uint8Array.of(1, 0, 0, 1)), undefined)
})
