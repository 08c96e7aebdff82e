import test from 'ava'
import fc from 'fast-check'
import { isPeerId, parsePeerId, peerIdOf, publicKeyOf, shortPeerId } from '../../../lib/base/peer-id.ts'
import { refusal } from '../../support/identity.ts'

/** RFC 8032 §7.1 TEST 1. */
const KEY = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
const TEXT = '47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy'

test('a PeerId is the public key itself, in 52 letters', (t) => {
  const peerId = peerIdOf(KEY)
  t.is(peerId, parsePeerId(TEXT))
  t.is(peerId.length, 52)
  t.deepEqual(Buffer.from(publicKeyOf(peerId)), KEY)
  t.is(shortPeerId(peerId), '47pjoycn')
})

test('two keys never share a PeerId, and a PeerId gives its key back', (t) => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(key, key, (one, other) => {
      t.deepEqual(publicKeyOf(peerIdOf(one)), one)
      t.is(peerIdOf(one) === peerIdOf(other), Buffer.compare(one, other) === 0)
    }),
  )
})

for (const length of [0, 31, 33, 64]) {
  test(`a key of ${length} bytes is a mistake of the caller`, (t) => {
    t.throws(() => peerIdOf(new Uint8Array(length)), { instanceOf: RangeError })
  })
}

test('what a person pasted may have spaces around it and capitals', (t) => {
  t.is(parsePeerId(`  ${TEXT.toUpperCase()}\n`), peerIdOf(KEY))
})

for (const [what, text] of [
  ['nothing', ''],
  ['a name', 'alice'],
  ['51 letters', TEXT.slice(1)],
  ['53 letters', `${TEXT}y`],
  ['a letter that is not in the alphabet', `l${TEXT.slice(1)}`],
  ['a last letter with bits that belong to nothing', `${TEXT.slice(0, -1)}b`],
  ['a space inside', `${TEXT.slice(0, 26)} ${TEXT.slice(26)}`],
] as const) {
  test(`refuses ${what}, and says where a PeerId is to be seen`, (t) => {
    t.false(isPeerId(text))
    const error = refusal(t, () => parsePeerId(text), 'ERR_REACH_PEER_ID')
    t.regex(error.hint ?? '', /p2p-reach identity/)
    t.deepEqual(error.details, { text })
  })
}

test('isPeerId takes the exact text alone', (t) => {
  t.true(isPeerId(TEXT))
  t.false(isPeerId(TEXT.toUpperCase()))
  t.false(isPeerId(`${TEXT} `))
})
