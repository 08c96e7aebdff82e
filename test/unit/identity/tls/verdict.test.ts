import test from 'ava'
import fc from 'fast-check'
import { ERROR_CODES } from '../../../../lib/base/errors.ts'
import { decodeVerdict, encodeAccepted, encodeRefused } from '../../../../lib/identity/tls/verdict.ts'
import { refusal } from '../../../support/identity.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('accepted is one byte; what follows it is not its own', (t) => {
  t.is(hex(encodeAccepted()), '00')
  t.deepEqual(decodeVerdict(Uint8Array.of(0, 9, 9)), { verdict: { kind: 'accepted' }, length: 1 })
})

test('refused is a length, the code and the words', (t) => {
  const bytes = encodeRefused('ERR_REACH_TRUST_ROLE', 'no')
  t.is(hex(bytes), `010017${Buffer.from('ERR_REACH_TRUST_ROLE no').toString('hex')}`)
  const decoded = decodeVerdict(Uint8Array.of(...bytes, 7))
  t.is(decoded?.length, bytes.length)
  t.is(decoded?.verdict.kind === 'refused' ? decoded.verdict.error.code : '', 'ERR_REACH_TRUST_ROLE')
})

test('each truncation asks for more', (t) => {
  const bytes = encodeRefused('ERR_REACH_TRUST_REVOKED', 'gone')
  for (let length = 0; length < bytes.length; length++)
    t.is(decodeVerdict(bytes.subarray(0, length)), undefined)
})

test('only codes that may refuse somebody are taken over', (t) => {
  for (const code of ERROR_CODES) {
    const decoded = decodeVerdict(encodeRefused(code, 'words'))
    const said = decoded?.verdict.kind === 'refused' ? decoded.verdict.error.code : undefined
    t.is(said, code.startsWith('ERR_REACH_TRUST_') ? code : 'ERR_REACH_TLS')
  }
})

test('long words are cut; arbitrary bytes throw nothing but ERR_REACH_DECODE', (t) => {
  const long = encodeRefused('ERR_REACH_TRUST_ROLE', '\u00e4'.repeat(5000))
  t.is(decodeVerdict(long)?.length, 3 + 1024)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const decoded = decodeVerdict(bytes)
        t.true(decoded === undefined || decoded.length <= bytes.length)
      } catch {
        refusal(t, () => decodeVerdict(bytes), 'ERR_REACH_DECODE')
      }
    }),
  )
})
