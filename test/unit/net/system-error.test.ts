import fc from 'fast-check'
import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { bindError, connectError, isBindError, systemCode } from '../../../lib/net/system-error.ts'

const at = transportAddress('127.0.0.1', 3478)
const systemError = (code: string, syscall = 'connect') => Object.assign(new Error(code), { code, syscall })

test('a taken address, a forbidden one and any other failure have codes of their own', (t) => {
  t.is(bindError(systemError('EADDRINUSE'), at).code, 'ERR_REACH_ADDRESS_IN_USE')
  t.is(bindError(systemError('EACCES'), at).code, 'ERR_REACH_PERMISSION')
  t.is(bindError(systemError('EPERM'), at).code, 'ERR_REACH_PERMISSION')
  t.is(bindError(systemError('EADDRNOTAVAIL'), at).code, 'ERR_REACH_SOCKET')
})

test('messages name the address, the meaning and the code; cause and details keep the facts', (t) => {
  const cause = systemError('ECONNREFUSED')
  const error = connectError(cause, transportAddress('2001:db8::1', 443, 'tcp'))
  t.is(error.code, 'ERR_REACH_SOCKET')
  t.is(
    error.message,
    'cannot connect to [2001:db8::1]:443: nothing listens there, or a firewall refused (ECONNREFUSED)',
  )
  t.is(error.cause, cause)
  t.is(error.details['code'], 'ECONNREFUSED')
})

test('a code without known meaning is shown as it is', (t) => {
  t.is(connectError(systemError('EPROTO'), at).message, 'cannot connect to 127.0.0.1:3478: EPROTO')
})

test('tells failures of the local end from those of the remote one', (t) => {
  t.true(isBindError(systemError('EACCES', 'bind')))
  t.true(isBindError(systemError('EADDRINUSE')))
  t.false(isBindError(systemError('EACCES')))
  t.false(isBindError(undefined))
})

test('anything may be thrown at it', (t) => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      t.is(typeof systemCode(thrown), 'string')
      t.true(ReachError.is(connectError(thrown, at), 'ERR_REACH_SOCKET'))
    }),
  )
})
