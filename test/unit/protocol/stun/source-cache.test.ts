import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { MAX_CACHED_SOURCES, SourceCache } from '../../../../lib/protocol/stun/source-cache.ts'
import { hex } from '../../../vectors/rfc5769.ts'

test('gives the bytes of an IP and whom limits count', (t) => {
  const cache = new SourceCache()
  t.deepEqual(cache.get('198.51.100.9'), { ip: hex('c6336409'), limitKey: '198.51.100.9' })
  t.deepEqual(cache.get('::ffff:198.51.100.9'), { ip: hex('c6336409'), limitKey: '198.51.100.9' })
  t.deepEqual(cache.get('fe80::7%eth0').ip, hex('fe80 0000 0000 0000 0000 0000 0000 0007'))
  t.is(cache.get('2001:db8:9:1::1').limitKey, cache.get('2001:db8:9:1:ffff::2').limitKey)
  t.not(cache.get('2001:db8:9:1::1').limitKey, cache.get('2001:db8:9:2::1').limitKey)
})

test('gives the same object for a source that asks again', (t) => {
  const cache = new SourceCache()
  t.is(cache.get('198.51.100.9'), cache.get('198.51.100.9'))
})

test('stays within its bounds, and keeps who asks all the time', (t) => {
  const cache = new SourceCache()
  const regular = cache.get('198.51.100.9')
  for (let i = 0; i < 3 * MAX_CACHED_SOURCES; i++) {
    cache.get(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
    if (i % 1000 === 0) t.is(cache.get('198.51.100.9'), regular)
  }
  t.true(cache.size <= MAX_CACHED_SOURCES)
})

test('refuses what is no IP', (t) => {
  t.true(
    ReachError.is(
      t.throws(() => new SourceCache().get('localhost')),
      'ERR_REACH_ADDRESS',
    ),
  )
})
