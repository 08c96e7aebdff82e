import test from 'ava'
import fc from 'fast-check'
import { ByteRate } from '../../../lib/net/byte-rate.ts'

test('a tenth of a second may pass at once, then debts are waited for', (t) => {
  const rate = new ByteRate(10_000, 0)
  t.is(rate.burstBytes, 1000)
  rate.spend(1000, 0)
  t.is(rate.waitMs(0), 0)
  rate.spend(5000, 0)
  t.is(rate.waitMs(0), 500)
  t.is(rate.waitMs(400), 100)
  t.is(rate.waitMs(500), 0)
})

test('a rest saves no more than the burst', (t) => {
  const rate = new ByteRate(10_000, 0)
  rate.spend(2000, 3_600_000)
  t.is(rate.waitMs(3_600_000), 100)
})

test('whatever is spent when nothing is owed, the rate is kept but for the burst and one debt', (t) => {
  const reads = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000_000 }), reads, (bytesPerS, sizes) => {
      const rate = new ByteRate(bytesPerS, 0)
      let nowMs = 0
      let passed = 0
      for (const size of sizes) {
        nowMs += rate.waitMs(nowMs)
        t.true(passed <= (nowMs / 1000) * bytesPerS + rate.burstBytes + 1e-3 * bytesPerS + 1)
        rate.spend(size, nowMs)
        passed += size
      }
    }),
  )
})

for (const bytesPerS of [0, -1, NaN]) {
  test(`${bytesPerS} bytes/s is no rate`, (t) => {
    t.throws(() => new ByteRate(bytesPerS, 0), { instanceOf: RangeError })
  })
}
