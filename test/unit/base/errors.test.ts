import test from 'ava'
import { ERROR_CODES, ReachError } from '../../../lib/base/errors.ts'
import { unreachable } from '../../../lib/base/exhaustive.ts'

test('every code is spelt ERR_REACH_…, stands once, and the list is sorted', (t) => {
  for (const code of ERROR_CODES) t.regex(code, /^ERR_REACH(_[A-Z]+)+$/)
  t.deepEqual([...ERROR_CODES], [...new Set(ERROR_CODES)].toSorted())
})

test('carries code, message, hint, details and cause', (t) => {
  const cause = new Error('ECONNREFUSED')
  const error = new ReachError('ERR_REACH_SOCKET', 'no connection to 192.0.2.1:443', {
    cause,
    hint: 'start the server',
    details: { port: 443 },
  })
  t.true(error instanceof Error)
  t.is(error.name, 'ReachError')
  t.is(error.code, 'ERR_REACH_SOCKET')
  t.is(error.message, 'no connection to 192.0.2.1:443')
  t.is(error.hint, 'start the server')
  t.deepEqual(error.details, { port: 443 })
  t.is(error.cause, cause)
})

test('without options there is no hint, no detail, and no cause property at all', (t) => {
  const error = new ReachError('ERR_REACH_TIMEOUT', 'no answer')
  t.is(error.hint, undefined)
  t.deepEqual(error.details, {})
  t.false('cause' in error)
})

test('is() tells a ReachError from other errors, and its code from other codes', (t) => {
  const error: unknown = new ReachError('ERR_REACH_TIMEOUT', 'no answer')
  t.true(ReachError.is(error))
  t.true(ReachError.is(error, 'ERR_REACH_TIMEOUT'))
  t.false(ReachError.is(error, 'ERR_REACH_SOCKET'))
  t.false(ReachError.is(Object.assign(new Error('no answer'), { code: 'ERR_REACH_TIMEOUT' })))
  for (const other of [undefined, null, 'ERR_REACH_TIMEOUT', 0, {}, () => undefined])
    t.false(ReachError.is(other))
})

test('is() knows a ReachError of another copy of the library', (t) => {
  const foreign = Object.assign(new Error('no answer'), {
    code: 'ERR_REACH_TIMEOUT',
    [Symbol.for('p2p-reach.ReachError')]: true,
  })
  t.true(ReachError.is(foreign, 'ERR_REACH_TIMEOUT'))
  t.false(ReachError.is(foreign, 'ERR_REACH_SOCKET'))
})

test('unreachable() names the variant that nobody handles', (t) => {
  // What a newer peer or untyped JavaScript can bring, in spite of the type.
  const variant: never = JSON.parse('{"kind":"new"}') as never
  const error = t.throws(() => unreachable(variant))
  t.true(ReachError.is(error, 'ERR_REACH_UNREACHABLE_CODE'))
  t.regex(error.message, /\{"kind":"new"\}/)
})
