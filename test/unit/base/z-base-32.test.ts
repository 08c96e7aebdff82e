import test from 'ava'
import fc from 'fast-check'
import { decodeZBase32, encodeZBase32 } from '../../../lib/base/z-base-32.ts'
import { refusal } from '../../support/identity.ts'

interface Vector {
  readonly source: string
  readonly hex: string
  readonly text: string
}

/* Whole octets alone: the specification also spells texts of so and so many bits. */
const vectors: readonly Vector[] = [
  { source: 'nothing', hex: '', text: '' },
  { source: 'z-base-32 specification, 24 bits', hex: 'f0bfc7', text: '6n9hq' },
  { source: 'z-base-32 specification, 24 bits', hex: 'd47a04', text: '4t7ye' },
  { source: 'web5-kt: "hello world!"', hex: '68656c6c6f20776f726c6421', text: 'pb1sa5dxrb5s6huccooo' },
  { source: 'by hand: one byte, two letters', hex: 'ff', text: '9h' },
  { source: 'by hand: zeros count', hex: '0000', text: 'yyyy' },
  {
    source:
      'the public key of RFC 8032 §7.1 TEST 1, by base64.b32encode of Python with the alphabet exchanged',
    hex: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    text: '47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy',
  },
]

for (const { source, hex, text } of vectors) {
  test(`spells and reads ${text === '' ? 'nothing' : text} (${source})`, (t) => {
    t.is(encodeZBase32(Buffer.from(hex, 'hex')), text)
    t.is(Buffer.from(decodeZBase32(text)).toString('hex'), hex)
  })
}

test('any bytes come back as they were, from a text of five bits a letter', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = encodeZBase32(bytes)
      t.regex(text, /^[ybndrfg8ejkmcpqxot1uwisza345h769]*$/)
      t.is(text.length, Math.ceil((bytes.length * 8) / 5))
      t.deepEqual(decodeZBase32(text), bytes)
    }),
  )
})

test('a text that can be read is the only spelling of its bytes; all others are ERR_REACH_DECODE', (t) => {
  const letters = fc.string({
    unit: fc.constantFrom(...Array.from('ybndrfg8ejkmcpqxot1uwisza345h769Y0l2v -=')),
    maxLength: 12,
  })
  let read = 0
  fc.assert(
    fc.property(fc.oneof(letters, fc.string({ unit: 'binary', maxLength: 12 })), (text) => {
      let bytes: Uint8Array
      try {
        bytes = decodeZBase32(text)
      } catch {
        refusal(t, () => decodeZBase32(text), 'ERR_REACH_DECODE')
        return
      }
      read++
      t.is(encodeZBase32(bytes), text)
    }),
    { numRuns: 500 },
  )
  t.true(read > 0)
})

for (const [what, text] of [
  ['a capital', '6N9hq'],
  ['a letter that is not in the alphabet', '6l9hq'],
  ['a digit that is not in the alphabet', '609hq'],
  ['a surplus letter', '6n9hqy'],
  ['a lonely letter', 'y'],
  ['padding bits that are not zero', '9t'],
  ['a space', '6n9hq '],
  ['padding as base32 has it', '6n9hq==='],
  ['half a surrogate pair', '\ud83d'],
] as const) {
  test(`refuses ${what}`, (t) => {
    refusal(t, () => decodeZBase32(text), 'ERR_REACH_DECODE')
  })
}
