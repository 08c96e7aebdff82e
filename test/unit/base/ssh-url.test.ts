import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { formatSshUrl, isSshUrl, parseSshUrl } from '../../../lib/base/ssh-url.ts'

const PIN = `SHA256:${'a'.repeat(42)}I`

test('user, host, port, pin and ?public', (t) => {
  const plain = { user: undefined, pin: undefined, isPublic: false }
  t.deepEqual(parseSshUrl('ssh://Host.example'), { ...plain, host: 'host.example', port: 22 })
  t.deepEqual(parseSshUrl(' ssh://me@host.example:2222/ '), {
    ...plain,
    user: 'me',
    host: 'host.example',
    port: 2222,
  })
  t.deepEqual(parseSshUrl(`ssh://me@[2001:db8::1]:22?public#${PIN}`), {
    user: 'me',
    host: '2001:db8::1',
    port: 22,
    pin: PIN,
    isPublic: true,
  })
  t.is(formatSshUrl(parseSshUrl(`ssh://me@[2001:db8::1]#${PIN}`)), 'ssh://me@[2001:db8::1]:22')
  t.is(formatSshUrl(parseSshUrl('ssh://host')), 'ssh://host:22')
})

test('what is none is refused with a hint', (t) => {
  for (const [text, hint] of [
    ['https://host', /write ssh:\/\//],
    ['ssh://', /write ssh:\/\//],
    ['ssh://host/path', /write ssh:\/\//],
    ['ssh://host:0', /a port is/],
    ['ssh://-oProxyCommand=x@host', /no user name/],
    ['ssh://-oProxyCommand=x', /HOST:PORT/],
    ['ssh://host?Public', /public/],
    ['ssh://host#SHA256:short', /ssh-keygen -l/],
  ] as const) {
    const error = t.throws(() => parseSshUrl(text), { code: 'ERR_REACH_ADDRESS' }, text)
    t.regex(ReachError.is(error) ? (error.hint ?? '') : '', hint, text)
  }
})

test('a password is refused and not repeated', (t) => {
  const error = t.throws(() => parseSshUrl('ssh://me:hun@ter2@host'), { code: 'ERR_REACH_ADDRESS' })
  t.true(ReachError.is(error))
  t.notRegex(`${error.message} ${JSON.stringify(error)}`, /hun|ter2/)
})

test('isSshUrl tells them from other relays', (t) => {
  t.true(isSshUrl(' SSH://host'))
  t.false(isSshUrl('https://ssh.example'))
})
