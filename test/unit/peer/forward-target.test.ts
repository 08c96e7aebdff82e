import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { formatForwardTarget, parseForwardTarget } from '../../../lib/peer/forward-target.ts'

test('a port is one of this computer, and nobody else’s', (t) => {
  t.deepEqual(parseForwardTarget('8080'), { kind: 'tcp', endpoint: { host: '127.0.0.1', port: 8080 } })
  t.deepEqual(parseForwardTarget(' nas.local:22 '), {
    kind: 'tcp',
    endpoint: { host: 'nas.local', port: 22 },
  })
  t.deepEqual(parseForwardTarget('[::1]:443'), { kind: 'tcp', endpoint: { host: '::1', port: 443 } })
  t.deepEqual(parseForwardTarget('unix:/run/app.sock'), { kind: 'unix', path: '/run/app.sock' })
  for (const text of ['8080', 'nas.local:22', '[::1]:443', 'unix:/run/app.sock']) {
    const parsed = parseForwardTarget(text)
    t.deepEqual(parseForwardTarget(formatForwardTarget(parsed)), parsed)
  }
})

test('what is no address is refused with a hint', (t) => {
  for (const text of [
    '',
    '0',
    '65536',
    'host',
    'host:',
    ':80',
    'unix:',
    '1.2.3:80',
    'a b:80',
    'http://x:80',
    '127.0.0.1:0',
  ]) {
    const error = t.throws(() => parseForwardTarget(text), undefined, text)
    t.true(ReachError.is(error, 'ERR_REACH_ADDRESS') && error.hint !== undefined, text)
  }
})
