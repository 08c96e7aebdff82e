import test from 'ava'
import fc from 'fast-check'
import { readableName } from '../../../../lib/net/outward/certificate.ts'
import { printable } from '../../../../lib/net/outward/printable.ts'

test('a distinguished name reads as common name and organisation', (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ["C=US\nO=Let's Encrypt\nCN=R3", "R3 (Let's Encrypt)"],
    ['CN=Corp CA', 'Corp CA'],
    ['O=Corp\nCN=Corp', 'Corp'],
    ['C=US\nO=Corp', 'Corp'],
    ['O=Acme\\, Inc.\nCN=Root \\+ Co', 'Root + Co (Acme, Inc.)'],
    ['CN=', 'an unnamed authority'],
    ['C=US', 'an unnamed authority'],
    ['', 'an unnamed authority'],
    ['O=\u001b[31m\nCN=\u202eevil', '?evil (?[31m)'],
  ]
  for (const [name, expected] of rows) t.is(readableName(name), expected)
})

test('printable text has no control, format or line-breaking characters, and is bounded', (t) => {
  t.is(printable('Grüße 世界 🙂'), 'Grüße 世界 🙂')
  t.is(printable('a\u0000b\u001bc\u0085d\u2028e\u200ff\ufeffg\nh'), 'a?b?c?d?e?f?g?h')
  t.is(printable('x'.repeat(201)), `${'x'.repeat(200)}…`)
  t.is(printable('x'.repeat(200)), 'x'.repeat(200))
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const shown = printable(text)
      return shown.length <= 201 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(shown)
    }),
  )
})
