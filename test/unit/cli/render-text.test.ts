import test from 'ava'
import fc from 'fast-check'
import { printable, printableJson, terminalText, toAscii } from '../../../cli/render/printable.ts'
import { paint, span, wrap } from '../../../cli/render/styled-text.ts'
import { TerminalPage, terminalWidth } from '../../../cli/render/terminal-page.ts'
import { clip, graphemes, textWidth } from '../../../cli/render/text-width.ts'
import { formatDuration, formatInstant, formatPercent } from '../../../cli/render/units.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 300 })
const cleanText = fc.string({ unit: 'grapheme', maxLength: 120 }).map(printable)

test('printable text has no control, format or private character, whatever came in', (t) => {
  fc.assert(fc.property(anyText, (text) => !/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u.test(printable(text))))
  t.is(printable('a\x1b[31mb\u202ec\ud800d'), 'a\\u{1b}[31mb\\u{202e}c\\u{d800}d')
  t.is(printable('one\r\n\ttwo\u2028three'), 'one two three')
})

test('ASCII is ASCII, and keeps what it can', (t) => {
  fc.assert(fc.property(anyText, (text) => /^[\x20-\x7e]*$/.test(toAscii(printable(text)))))
  t.is(toAscii('Zoë … “ok” → ✓ ✗ ─ 漢'), 'Zoe ... "ok" -> + x - ?')
})

test('a text of a terminal is of bounded length and not cut inside a character', (t) => {
  const text = terminalText('😀'.repeat(5000), { unicode: true })
  t.regex(text, /^(😀)+…$/u)
  t.true(text.length <= 601)
  t.is(terminalText('short', { unicode: true }), 'short')
})

test('JSON made printable is the same JSON', (t) => {
  fc.assert(
    fc.property(anyText, (text) => {
      const json = printableJson(JSON.stringify({ text }))
      return (
        !/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u.test(json) &&
        JSON.stringify(JSON.parse(json)) === JSON.stringify({ text })
      )
    }),
  )
  t.is(printableJson('{\n  "a": "\u009b\u{e0001}"\n}'), '{\n  "a": "\\u009b\\udb40\\udc01"\n}')
})

test('widths follow what a terminal does with wide and combining characters', (t) => {
  t.is(textWidth('abc'), 3)
  t.is(textWidth('漢字'), 4)
  t.is(textWidth('e\u0301a'), 2)
  t.is(textWidth('✓ ─ ·'), 5)
  t.is(textWidth('😀'), 2)
})

test('graphemes lose nothing, also where the text is segmented in pieces', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 700 }), (text) => graphemes(text).join('') === text),
  )
  t.pass()
})

test('clipping keeps to the columns and tells that something is missing', (t) => {
  fc.assert(
    fc.property(cleanText, fc.integer({ min: 0, max: 60 }), (text, columns) => {
      const clipped = clip(text, columns)
      return textWidth(clipped) <= columns && (clipped === text || columns === 0 || clipped.endsWith('…'))
    }),
  )
  t.is(clip('one two three', 9), 'one two…')
})

test('wrapping keeps to the columns and loses nothing but spaces', (t) => {
  fc.assert(
    fc.property(cleanText, fc.integer({ min: 2, max: 60 }), (text, columns) => {
      const lines = wrap([span(text)], columns).map((line) => paint(line, false))
      const joined = lines.join('').replaceAll(' ', '')
      return lines.every((line) => textWidth(line) <= columns) && joined === text.replaceAll(' ', '')
    }),
  )
  t.pass()
})

test('wrapping breaks at spaces, inside a word only where it must, and keeps styles', (t) => {
  const lines = wrap([span('the verdict', 'strong'), span(' is good'), span(': abcdefghijkl')], 10)
  t.deepEqual(
    lines.map((line) => paint(line, false)),
    ['the', 'verdict is', 'good:', 'abcdefghij', 'kl'],
  )
  t.deepEqual(lines[1], [span('verdict', 'strong'), span(' is')])
})

test('a wrapped row keeps its columns aligned', (t) => {
  const page = new TerminalPage({ colors: false, width: 40, unicode: true })
  page.row(
    [
      { spans: [span('a')], width: 4 },
      { spans: [span('one two three')], width: 8 },
      { spans: [span('z z')], width: 1 },
    ],
    2,
  )
  t.is(page.toString(), '  a     one two   z\n        three     z\n')
})

test('the width of the page follows the terminal within limits', (t) => {
  t.is(terminalWidth(undefined), 80)
  t.is(terminalWidth(0), 80)
  t.is(terminalWidth(95), 95)
  t.is(terminalWidth(300), 110)
  t.is(terminalWidth(5), 20)
})

test('durations have two figures and the unit that fits', (t) => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 ms'],
    [0.42, '0.4 ms'],
    [9.96, '10.0 ms'],
    [18.4, '18 ms'],
    [999.4, '999 ms'],
    [999.6, '1 s'],
    [3411, '3.4 s'],
    [12_400, '12 s'],
    [118_000, '118 s'],
    [120_000, '2 min'],
    [190_000, '3 min 10 s'],
    [5_400_000, '1 h 30 min'],
    [86_400_000, '1 d'],
    [-90_000, '-90 s'],
    [Infinity, 'very long'],
  ]
  for (const [ms, text] of cases) t.is(formatDuration(ms), text)
})

test('percentages keep a decimal while they are small', (t) => {
  t.is(formatPercent(0), '0 %')
  t.is(formatPercent(0.004), '0.4 %')
  t.is(formatPercent(0.05), '5 %')
  t.is(formatPercent(0.337), '34 %')
  t.is(formatPercent(1), '100 %')
})

test('an instant is short when it is one, and itself when not', (t) => {
  t.is(formatInstant('2026-11-23T21:50:04.120Z'), '2026-11-23 21:50 UTC')
  t.is(formatInstant('yesterday'), 'yesterday')
})
