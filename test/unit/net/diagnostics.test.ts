import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import test from 'ava'
import { publisher } from '../../../lib/net/diagnostics.ts'

test('facts reach whoever subscribed, and nobody else is needed', (t) => {
  const publish = publisher('p2p-reach:test:published')
  publish({ lost: true })
  const seen: unknown[] = []
  const listener = (facts: unknown, name: string | symbol) => seen.push({ facts, name })
  subscribe('p2p-reach:test:published', listener)
  publish({ elapsedMs: 3 })
  unsubscribe('p2p-reach:test:published', listener)
  publish({ lost: true })
  t.deepEqual(seen, [{ facts: { elapsedMs: 3 }, name: 'p2p-reach:test:published' }])
})
