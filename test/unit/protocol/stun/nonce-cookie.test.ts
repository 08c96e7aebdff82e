import test from 'ava'
import fc from 'fast-check'
import { nonceWithFeatures, securityFeaturesOf } from '../../../../lib/protocol/stun/nonce-cookie.ts'
import { LONG_TERM_NONCE, LONG_TERM_SHA256_NONCE } from '../../../vectors/rfc5769.ts'

const NONE = { passwordAlgorithms: false, usernameAnonymity: false }

test('reads username anonymity from the nonce of RFC 8489 appendix B.1 (bits from the right, erratum 6290)', (t) => {
  t.deepEqual(securityFeaturesOf(LONG_TERM_SHA256_NONCE), {
    passwordAlgorithms: false,
    usernameAnonymity: true,
  })
})

test('reads the bits from the left, too, as the text of RFC 8489 §18.1 counts them', (t) => {
  t.deepEqual(securityFeaturesOf('obMatJos2gAAAxyz'), { passwordAlgorithms: true, usernameAnonymity: false })
  t.deepEqual(securityFeaturesOf('obMatJos2wAAAxyz'), { passwordAlgorithms: true, usernameAnonymity: true })
})

test('finds no features in a nonce without a cookie, or with half of one', (t) => {
  for (const nonce of [
    LONG_TERM_NONCE,
    '',
    'obMatJos2',
    'obMatJos2AAA',
    'obMatJos2A=AD',
    'obMatJos2\u00e9AAD',
    'xobMatJos2AAAD',
  ]) {
    t.deepEqual(securityFeaturesOf(nonce), NONE)
  }
})

test('reads the features that it wrote', (t) => {
  const features = fc.record({ passwordAlgorithms: fc.boolean(), usernameAnonymity: fc.boolean() })
  fc.assert(
    fc.property(features, fc.string(), (written, rest) => {
      const read = securityFeaturesOf(nonceWithFeatures(written, rest))
      return (
        read.passwordAlgorithms === written.passwordAlgorithms &&
        read.usernameAnonymity === written.usernameAnonymity
      )
    }),
  )
  t.is(nonceWithFeatures({ passwordAlgorithms: true, usernameAnonymity: true }, 'x'), 'obMatJos2AAADx')
})

test('never throws on a nonce, whatever a server puts into it', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (rest) => {
      securityFeaturesOf(rest)
      securityFeaturesOf(`obMatJos2${rest}`)
    }),
  )
  t.pass()
})
