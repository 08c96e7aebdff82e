import test from 'ava'
import { failureOutcome, nodeResolver } from '../../../lib/net/node-resolver.ts'

// Nothing here leaves the process: these answers need no server.
const resolver = nodeResolver({ servers: ['127.0.0.1:9'] })
const failure = (code: string) => failureOutcome(Object.assign(new Error(code), { code }))

test('codes about the name are told from codes about the way to its answer', (t) => {
  for (const code of ['ENOTFOUND', 'ENODATA', 'EBADNAME'])
    t.deepEqual(failure(code), { kind: 'not-found', code })
  for (const code of ['EAI_AGAIN', 'ETIMEOUT', 'ESERVFAIL', 'ECONNREFUSED'])
    t.deepEqual(failure(code), { kind: 'failed', code })
  t.deepEqual(failureOutcome('strange'), { kind: 'failed', code: 'UNKNOWN' })
})

test('IP literals resolve to themselves, in canonical form', async (t) => {
  t.deepEqual(await resolver.lookup('192.0.2.1'), { kind: 'found', ips: ['192.0.2.1'] })
  t.deepEqual(await resolver.lookup('2001:DB8:0::1'), { kind: 'found', ips: ['2001:db8::1'] })
  t.deepEqual(await resolver.lookup('::ffff:192.0.2.1'), { kind: 'found', ips: ['192.0.2.1'] })
})

test('a query for an IP literal finds it in its own family only', async (t) => {
  t.deepEqual(await resolver.query('192.0.2.1', 'A'), { kind: 'found', ips: ['192.0.2.1'] })
  t.deepEqual(await resolver.query('192.0.2.1', 'AAAA'), { kind: 'not-found', code: 'ENODATA' })
  t.deepEqual(await resolver.query('2001:db8::1', 'AAAA'), { kind: 'found', ips: ['2001:db8::1'] })
})

test('the empty name does not exist', async (t) => {
  t.deepEqual(await resolver.lookup(''), { kind: 'not-found', code: 'ENOTFOUND' })
  t.deepEqual(await resolver.query('', 'A'), { kind: 'not-found', code: 'ENOTFOUND' })
})

test('an aborted signal rejects with its reason before anything is asked', async (t) => {
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  t.is(await t.throwsAsync(resolver.lookup('localhost', signal)), reason)
  t.is(await t.throwsAsync(resolver.query('localhost', 'A', signal)), reason)
})

test('names the servers it asks', (t) => {
  t.deepEqual(resolver.servers(), ['127.0.0.1:9'])
})
