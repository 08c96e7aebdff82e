import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import {
  checkFingerprint,
  longTermKey,
  shortTermKey,
  userhash,
  verifyIntegrity,
} from '../../../../lib/protocol/stun/integrity.ts'
import { crc32 } from '../../../../lib/protocol/stun/crc32.ts'
import { decodeStun, encodeStun } from '../../../../lib/protocol/stun/message.ts'
import type { EncodeStunOptions } from '../../../../lib/protocol/stun/message.ts'
import { coturnAuthenticated, coturnIpv4 } from '../../../vectors/coturn-stun.ts'
import {
  LONG_TERM_PASSWORD,
  LONG_TERM_REALM,
  LONG_TERM_USERNAME,
  SHORT_TERM_PASSWORD,
  hex,
  sampleIpv4Response,
  sampleIpv6Response,
  sampleLongTermRequest,
  sampleLongTermSha256Request,
  sampleRequest,
} from '../../../vectors/rfc5769.ts'
import { aMessage } from './arbitraries.ts'

const KEY = shortTermKey(SHORT_TERM_PASSWORD)
const ID = hex('01020304 05060708 090a0b0c')

for (const { source, bytes } of [sampleRequest, sampleIpv4Response, sampleIpv6Response]) {
  test(`verifies MESSAGE-INTEGRITY and FINGERPRINT of ${source}`, (t) => {
    t.true(verifyIntegrity(decodeStun(bytes), KEY))
    t.is(checkFingerprint(decodeStun(bytes)), 'valid')
  })

  test(`notices each changed byte in ${source}, but in what the RFC leaves out`, (t) => {
    for (let position = 0; position < bytes.length; position++) {
      // A changed attribute type or length may also make it malformed, which is as good.
      const changed = decodeOrUndefined(flip(bytes, position))
      if (changed === undefined) continue
      // MESSAGE-INTEGRITY covers all in front of it (§14.5), FINGERPRINT all but itself (§14.7).
      if (position < bytes.length - 8) t.false(verifyIntegrity(changed, KEY), `byte ${position}`)
      t.not(checkFingerprint(changed), 'valid', `byte ${position}`)
    }
  })
}

test('verifies the long-term request of RFC 5769 §2.4 with the MD5 key', (t) => {
  const key = longTermKey(LONG_TERM_USERNAME, LONG_TERM_REALM, LONG_TERM_PASSWORD)
  t.true(verifyIntegrity(decodeStun(sampleLongTermRequest.bytes), key))
  t.false(verifyIntegrity(decodeStun(sampleLongTermRequest.bytes), KEY))
  t.is(checkFingerprint(decodeStun(sampleLongTermRequest.bytes)), 'absent')
})

test('verifies the request of RFC 8489 appendix B.1 with the SHA-256 key, and its USERHASH', (t) => {
  const message = decodeStun(sampleLongTermSha256Request.bytes)
  t.true(
    verifyIntegrity(message, longTermKey(LONG_TERM_USERNAME, LONG_TERM_REALM, LONG_TERM_PASSWORD, 'sha256')),
  )
  t.false(
    verifyIntegrity(message, longTermKey(LONG_TERM_USERNAME, LONG_TERM_REALM, LONG_TERM_PASSWORD, 'md5')),
  )
  t.deepEqual(message.attributes[0], {
    type: 'userhash',
    value: userhash(LONG_TERM_USERNAME, LONG_TERM_REALM),
  })
})

test('verifies what coturn signed for a long-term credential', (t) => {
  const message = decodeStun(coturnAuthenticated.bytes)
  t.true(verifyIntegrity(message, longTermKey('alice', 'example.org', 'wonder land')))
  t.false(verifyIntegrity(message, longTermKey('alice', 'example.org', 'wonderland')))
})

test('signs the sample response of RFC 5769 §2.2, but for its padding, as the RFC does', (t) => {
  // The RFC pads SOFTWARE with a space, RFC 8489 §14 wants zero: the rest of the input is the same, so put it back.
  const message = decodeStun(sampleIpv4Response.bytes)
  const ours = encodeStun(
    { ...message, attributes: message.attributes.slice(0, 2) },
    { integrity: { kind: 'sha1', key: KEY }, fingerprint: true },
  )
  t.is(ours.length, sampleIpv4Response.bytes.length)
  const covered = Uint8Array.from(ours.subarray(0, 48))
  covered[3] = ours.length - 20 - 8
  t.deepEqual(ours.subarray(52, 72), Uint8Array.from(createHmac('sha1', KEY).update(covered).digest()))
})

test('signs so that the same key verifies and another does not', (t) => {
  const kinds = fc.constantFrom('sha1', 'sha256', 'both')
  fc.assert(
    fc.property(
      aMessage,
      kinds,
      fc.uint8Array(),
      fc.uint8Array(),
      fc.boolean(),
      (message, kind, key, other, fingerprint) => {
        const decoded = decodeStun(encodeStun(message, { integrity: { kind, key }, fingerprint }))
        assert.equal(verifyIntegrity(decoded, key), true)
        assert.equal(checkFingerprint(decoded), fingerprint ? 'valid' : 'absent')
        // HMAC pads keys with zeros to its block, so keys that differ in trailing zeros are the same key.
        if (zeroPadded(key) !== zeroPadded(other)) assert.equal(verifyIntegrity(decoded, other), false)
      },
    ),
  )
  t.pass()
})

test('takes the SHA-256 when both are there, and either when asked', (t) => {
  const both = signed({ integrity: { kind: 'both', key: KEY } })
  t.true(verifyIntegrity(both, KEY))
  t.true(verifyIntegrity(both, KEY, { kind: 'sha1' }))
  t.true(verifyIntegrity(both, KEY, { kind: 'sha256' }))
  const broken = decodeStun(flip(both.raw, both.raw.length - 1))
  t.false(verifyIntegrity(broken, KEY))
  t.true(verifyIntegrity(broken, KEY, { kind: 'sha1' }), 'the SHA-256 stands behind it')
})

test('is not content with the other kind, or with none', (t) => {
  t.false(verifyIntegrity(signed({ integrity: { kind: 'sha1', key: KEY } }), KEY, { kind: 'sha256' }))
  t.false(verifyIntegrity(signed({ integrity: { kind: 'sha256', key: KEY } }), KEY, { kind: 'sha1' }))
  t.false(verifyIntegrity(signed({}), KEY))
})

test('accepts a truncated SHA-256 only down to the length that the usage allows (RFC 8489 §14.6)', (t) => {
  for (const truncateTo of [16, 20, 28]) {
    const message = signed({ integrity: { kind: 'sha256', key: KEY, truncateTo }, fingerprint: true })
    t.false(verifyIntegrity(message, KEY))
    t.true(verifyIntegrity(message, KEY, { minimumSha256Length: truncateTo }))
    t.false(verifyIntegrity(message, KEY, { minimumSha256Length: truncateTo + 4 }))
    t.false(verifyIntegrity(message, ID, { minimumSha256Length: 16 }))
  }
})

test('does not let attributes be added behind MESSAGE-INTEGRITY', (t) => {
  const message = signed({ integrity: { kind: 'sha1', key: KEY } })
  const longer = Uint8Array.from([...message.raw, ...hex('0025 0000')])
  longer[3] = longer.length - 20
  const decoded = decodeStun(longer)
  t.true(verifyIntegrity(decoded, KEY), 'still covers what is in front')
  t.false(decoded.attributes.some(({ type }) => type === 'use-candidate'))
})

test('calls a FINGERPRINT that is not the last attribute invalid, even with the right CRC', (t) => {
  const header = hex('0001 000c 2112a442 01020304 05060708 090a0b0c')
  const crc = (crc32(header) ^ 0x5354554e) >>> 0
  const fingerprint = (value: number) => hex(`8028 0004 ${value.toString(16).padStart(8, '0')}`)
  const last = Uint8Array.from([...header, ...hex('8022 0000'), ...fingerprint(0)])
  const early = Uint8Array.from([...header, ...fingerprint(crc), ...hex('8022 0000')])
  t.is(checkFingerprint(decodeStun(last)), 'invalid')
  t.is(checkFingerprint(decodeStun(early)), 'invalid')
  t.is(checkFingerprint(decodeStun(coturnIpv4.bytes)), 'absent')
})

test('computes the CRC-32 of the check value "123456789" (ITU-T V.42)', (t) => {
  const digits = new TextEncoder().encode('123456789')
  t.is(crc32(digits), 0xcbf43926)
  t.is(crc32(digits, 4, 9, crc32(digits, 0, 4)), 0xcbf43926)
})

test('hashes username, realm and password with colons between (RFC 8489 §9.2.2)', (t) => {
  const text = 'user:example.org:pass word'
  t.deepEqual(longTermKey('user', 'example.org', 'pass\u00a0word'), digest('md5', text))
  t.deepEqual(longTermKey('user', 'example.org', 'pass\u3000word', 'sha256'), digest('sha256', text))
})

test('normalises a password to NFC, so that both ways to type é make one key', (t) => {
  t.deepEqual(shortTermKey('cafe\u0301'), shortTermKey('caf\u00e9'))
  t.notDeepEqual(shortTermKey('cafe'), shortTermKey('caf\u00e9'))
})

function signed(options: EncodeStunOptions) {
  const message = {
    class: 'request',
    method: 1,
    transactionId: ID,
    attributes: [{ type: 'software', value: 'x' }],
  } as const
  return decodeStun(encodeStun(message, options))
}

function digest(algorithm: string, text: string): Uint8Array {
  return Uint8Array.from(createHash(algorithm).update(text).digest())
}

function flip(bytes: Uint8Array, position: number): Uint8Array {
  return bytes.map((byte, i) => (i === position ? byte ^ 1 : byte))
}

function decodeOrUndefined(bytes: Uint8Array) {
  try {
    return decodeStun(bytes)
  } catch {
    return undefined // the callers only look at what still decodes
  }
}

function zeroPadded(key: Uint8Array): string {
  return [...key].join().replace(/(,0)+$|^0$/, '')
}
