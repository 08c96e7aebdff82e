import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import {
  MAX_XML_BYTES,
  childText,
  escapeXml,
  findElement,
  parseXml,
} from '../../../../lib/protocol/port-mapping/xml.ts'
import { BILLION_LAUGHS, FRITZ_BOX, MINIUPNPD } from '../../../vectors/igd-descriptions.ts'

const parse = (text: string) => parseXml(new TextEncoder().encode(text))
const REFUSED = { code: 'ERR_REACH_DECODE' }

test('elements come without prefix, in lower case, with their own text trimmed', (t) => {
  t.deepEqual(
    parse('<?xml version="1.0"?><!-- x --><S:Root a="b">\r\n one<x:Leaf/> two <![CDATA[<3>]]></S:Root>'),
    {
      name: 'root',
      text: 'one two <3>',
      children: [{ name: 'leaf', text: '', children: [] }],
    },
  )
})

test('predefined entities and character references are read; what escapeXml writes comes back', (t) => {
  t.is(parse('<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</a>').text, '<>&"\'AB')
  fc.assert(
    fc.property(fc.string(), (text) => {
      const clean = text.replaceAll(/[\p{Cc}\s]/gu, '')
      return parse(`<a>${escapeXml(clean)}</a>`).text === clean
    }),
  )
  t.pass()
})

test('what routers get wrong is borne: bare ampersands, unclosed and wrongly nested tags, a cut end', (t) => {
  t.is(parse('<a><name>R&D & more</name></a>').children[0]?.text, 'R&D & more')
  t.is(childText(parse('<a><b>1<c>2</a>'), 'b'), '1')
  t.is(findElement(parse('<a><b>1</b><c>2'), 'b')?.text, '1')
  t.is(findElement(parse(`\u{feff}${MINIUPNPD}`), 'modelname')?.text, 'Linux router')
})

test('document types, declarations and their entities are refused', (t) => {
  t.throws(() => parse(BILLION_LAUGHS), REFUSED)
  t.throws(() => parse('<!DOCTYPE a SYSTEM "http://192.0.2.1/x"><a/>'), REFUSED)
  t.throws(() => parse('<!ENTITY a "b"><a>&a;</a>'), REFUSED)
  t.throws(() => parse('<a><!DOCTYPE b></a>'), REFUSED)
  t.is(parse('<a>&unknown;</a>').text, '&unknown;')
})

test('size, depth and number of elements are bounded', (t) => {
  t.throws(() => parseXml(new Uint8Array(MAX_XML_BYTES + 1)), REFUSED)
  t.is(parse(`${'<a>'.repeat(32)}${'</a>'.repeat(32)}`).name, 'a')
  t.throws(() => parse('<a>'.repeat(33)), REFUSED)
  t.is(parse(`<a>${'<b/>'.repeat(4999)}</a>`).children.length, 4999)
  t.throws(() => parse(`<a>${'<b/>'.repeat(5000)}</a>`), REFUSED)
})

test('what has no element is refused', (t) => {
  for (const text of ['', ' ', 'hello', '<?xml version="1.0"?>', '<!-- a -->', '</a>'])
    t.throws(() => parse(text), REFUSED, text)
})

test('arbitrary bytes, and documents that were damaged, give a tree or ERR_REACH_DECODE', (t) => {
  const tags = fc
    .array(
      fc.constantFrom(
        '<a',
        '>',
        '</a>',
        '<b/>',
        '&',
        ';',
        '&#',
        '<!',
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<?',
        '"',
        '=',
        'x',
        ' ',
      ),
    )
    .map((parts) => new TextEncoder().encode(parts.join('')))
  const damaged = fc
    .tuple(fc.nat(FRITZ_BOX.length), fc.nat(40), fc.string())
    .map(([at, length, text]) =>
      new TextEncoder().encode(FRITZ_BOX.slice(0, at) + text + FRITZ_BOX.slice(at + length)),
    )
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), tags, damaged), (bytes) => {
      try {
        t.true(parseXml(bytes).name.length >= 0)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      }
    }),
  )
  t.pass()
})
