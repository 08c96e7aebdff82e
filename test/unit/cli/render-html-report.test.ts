import test from 'ava'
import fc from 'fast-check'
import type { DiagnoseReport } from '../../../lib/probe/report.ts'
import { html, raw } from '../../../cli/html/html.ts'
import { renderHtmlReport } from '../../../cli/html/html-report.ts'
import type { Palette } from '../../../cli/html/page-style.ts'
import { DARK, LIGHT, PAGE_STYLE } from '../../../cli/html/page-style.ts'
import { withEveryText } from '../../support/hostile-report.ts'
import {
  ALL_REPORTS,
  aNat,
  aReport,
  captivePortal,
  dualStackFirewall,
  easyHome,
  lossyNetwork,
  offline,
  onlyTcp443,
  symmetricBehindCgn,
  tlsInterception,
} from '../../support/report-fixtures.ts'

/** Void elements of HTML that the page uses. */
const VOID = new Set(['meta'])

interface Tag {
  readonly name: string
  readonly attributes: string
}

/** Reads the page as a strict reader would: every `<` must start a tag, every tag must close in order. */
function readTags(page: string): readonly Tag[] {
  const tags: Tag[] = []
  const open: string[] = []
  const body = page.replace('<!doctype html>', '').replace(/<style>[^<]*<\/style>/, '')
  const token = /<(\/?)([a-z0-9]+)((?: [a-z:-]+="[^"<>]*"|\s+[a-z-]+="[^"<>]*")*)\s*(\/?)>|[<>]/gi
  for (const match of body.matchAll(token)) {
    const [whole, slash, name, attributes, selfClosed] = match
    if (name === undefined)
      throw new Error(`stray ${whole} near ${body.slice(match.index - 40, match.index + 40)}`)
    if (slash === '/') {
      const last = open.pop()
      if (last !== name) throw new Error(`${name} closes ${last ?? 'nothing'}`)
      continue
    }
    tags.push({ name, attributes: attributes ?? '' })
    if (selfClosed !== '/' && !VOID.has(name)) open.push(name)
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(' ')}`)
  return tags
}

/** What a person reads, entities resolved. */
function textOf(page: string): string {
  return page
    .replace(/<style>[^<]*<\/style>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
}

const ALLOWED_TAGS = new Set(
  (
    'html head meta title style body main header section h1 h2 h3 p time div span strong ol ul li dl dt dd table thead tbody ' +
    'tr th td details summary pre svg path rect circle'
  ).split(' '),
)

test('is one well-formed page for every fixture, with known elements only', (t) => {
  for (const [name, build] of Object.entries(ALL_REPORTS)) {
    const tags = readTags(renderHtmlReport(build()))
    for (const tag of tags) t.true(ALLOWED_TAGS.has(tag.name), `${name}: ${tag.name}`)
    t.is(tags.filter((tag) => tag.name === 'h1').length, 1)
  }
})

test('asks for nothing from outside and forbids the browser to', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    const page = renderHtmlReport(build())
    t.true(
      page.includes(
        `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
      ),
    )
    for (const { attributes } of readTags(page))
      t.notRegex(attributes, /\b(src|href|action|on[a-z]+|style|srcdoc)=/i)
    t.notRegex(PAGE_STYLE, /url\(|@import/)
  }
})

test('tells the verdict, the remedies and the way for every fixture', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    const report = build()
    const text = textOf(renderHtmlReport(report))
    t.true(text.includes(report.verdict.summary.slice(1)))
    for (const { action, why } of report.verdict.remedies) t.true(text.includes(`${action} ${why}`), action)
  }
  t.true(
    textOf(renderHtmlReport(symmetricBehindCgn())).includes(
      'this host 192.168.1.10 wlan0 NAT 192.168.1.1 outside 100.64.3.7 carrier NAT 100.64.0.1 all NATs together: ' +
        'mapping address-and-port-dependent filtering address-and-port-dependent ports random internet as 203.0.113.50',
    ),
  )
})

test('says in words which transports work', (t) => {
  const text = textOf(renderHtmlReport(onlyTcp443()))
  t.true(text.includes('UDP 3478 blocked'))
  t.true(text.includes('TLS 443 works'))
  t.true(text.includes('TLS 8443 not known'))
  t.true(textOf(renderHtmlReport(tlsInterception())).includes('TLS 443 blocked'))
})

test('shows unknown facts with their reason, and inferred ones as probable', (t) => {
  const text = textOf(renderHtmlReport(lossyNetwork()))
  t.true(text.includes('Filtering not known : too few answers to tell not known'))
  t.true(
    text.includes(
      'Mapping address-and-port-dependent : another public port for each destination (“symmetric”) probably',
    ),
  )
  t.true(text.includes('Hairpinning not known : only measured with --deep'))
})

test('has every sentence of evidence', (t) => {
  const report = symmetricBehindCgn()
  const text = textOf(renderHtmlReport(report))
  const all = [
    report.nat.mapping,
    report.nat.portAllocation,
    report.nat.cgn,
    report.dns,
    report.mtu,
    ...report.egress,
  ]
  for (const fact of all) for (const sentence of fact.evidence) t.true(text.includes(sentence), sentence)
})

test('draws IPv6 apart where both families work', (t) => {
  const text = textOf(renderHtmlReport(dualStackFirewall()))
  t.true(
    text.includes(
      'IPv6 this host 2001:db8:77:1::10 enp3s0 firewall fe80::1 filtering address-and-port-dependent',
    ),
  )
})

test('does not give the behaviour of IPv6 to the IPv4 path, nor to a sign-in page', (t) => {
  const report = aReport({ nat: aNat({ family: 'ipv6' }), ipv6: dualStackFirewall().ipv6 })
  const [, after = ''] = textOf(renderHtmlReport(report)).split('Your way to the internet')
  const [path = ''] = after.split('What is reached')
  t.regex(path, /this host 192\.168\.1\.10 wlan0 .* internet as 203\.0\.113\.50/)
  t.false(path.includes('filtering'))
  t.true(
    textOf(renderHtmlReport(captivePortal())).includes('sign-in page wifi.hotel.example What is reached'),
  )
})

test('says that nothing is known about peers while offline', (t) => {
  t.true(textOf(renderHtmlReport(offline())).includes('Nothing can be said about peers'))
})

test('does not make a link of what a captive portal sends', (t) => {
  t.false(readTags(renderHtmlReport(captivePortal())).some((tag) => tag.name === 'a'))
})

test('holds the whole report as JSON', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    const page = renderHtmlReport(build())
    const source = /<pre tabindex="0">([^<]*)<\/pre>/.exec(page)?.[1] ?? ''
    const parsed: unknown = JSON.parse(textOf(source))
    t.like(parsed, { schema: 'p2p-reach/diagnose/1', verdict: { class: build().verdict.class } })
  }
})

test('tables have headers, lists have names, pictures are hidden from readers', (t) => {
  const tags = readTags(renderHtmlReport(easyHome()))
  for (const { name, attributes } of tags) {
    if (name === 'th') t.regex(attributes, /scope="(col|row)"/)
    if (name === 'svg') t.regex(attributes, /aria-hidden="true"/)
    if (name === 'section') t.regex(attributes, /aria-labelledby="[a-z]+(-\d+)?"/)
  }
  const ids = tags.flatMap(({ attributes }) => /\bid="([^"]*)"/.exec(attributes)?.[1] ?? [])
  t.is(new Set(ids).size, ids.length)
  for (const { attributes } of tags) {
    const label = /aria-labelledby="([^"]*)"/.exec(attributes)?.[1]
    if (label !== undefined) t.true(ids.includes(label), label)
  }
})

function structure(report: DiagnoseReport): string {
  const tags = readTags(renderHtmlReport(report))
  return tags.map(({ name, attributes }) => name + attributes.replace(/datetime="[^"]*"/, '')).join('\n')
}

/** A text without markup that means the same to the report: a colon makes an address IPv6. */
function harmless(text: string): string {
  return text.includes(':') ? 'harm:less' : 'harmless'
}

/** Compared here, as the difference of two pages is too long to read. */
function keepsStructure(report: DiagnoseReport, text: string): boolean {
  return structure(withEveryText(report, text)) === structure(withEveryText(report, harmless(text)))
}

const ATTACKS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</pre></style></title><svg onload=alert(1)>',
  '<!--',
  '&lt;script&gt;',
  'javascript:alert(1)',
  '\u202e\u0000\u001b[31m',
]

for (const attack of ATTACKS) {
  test(`markup in a value stays text: ${JSON.stringify(attack)}`, (t) => {
    for (const [name, build] of Object.entries(ALL_REPORTS)) t.true(keepsStructure(build(), attack), name)
    const page = renderHtmlReport(withEveryText(easyHome(), attack))
    t.false(page.includes('<script'))
    t.false(page.includes('<img'))
    t.notRegex(page, /[\p{Cf}]|[^\P{Cc}\n]/u)
  })
}

test('a value is read as it was written: escaping is neither missing nor doubled', (t) => {
  const text = textOf(renderHtmlReport(withEveryText(easyHome(), 'a < b && "c" > \'d\' &amp; &#39;')))
  t.true(text.includes('a < b && "c" > \'d\' &amp; &#39;'))
})

test('no text whatever changes the structure of the page', (t) => {
  const markup = fc.constantFrom(
    '<',
    '>',
    '"',
    "'",
    '&',
    '=',
    '/',
    '!',
    '-',
    'script',
    ' onload',
    '`',
    '${',
    '\\',
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.array(markup, { minLength: 1 }).map((parts) => parts.join('')),
  )
  const isKept = (text: string) => text === '' || keepsStructure(tlsInterception(), text)
  fc.assert(fc.property(texts, isKept), { numRuns: 40 })
  t.pass()
})

test('the template escapes everything but markup of its own', (t) => {
  const inner = html`<b>${'<'}</b>`
  t.is(
    html`<p title="${'"'}">${inner}${'&'}${[inner, inner]}${undefined}${5}${raw('<hr>')}</p>`.markup,
    '<p title="&quot;"><b>&lt;</b>&amp;<b>&lt;</b><b>&lt;</b>5<hr></p>',
  )
})

/** WCAG 2.2: relative luminance and contrast of sRGB colours. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return channel <= 0.040_45 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

const PAIRS: readonly (readonly [keyof Palette, keyof Palette])[] = [
  ['text', 'ground'],
  ['text', 'card'],
  ['muted', 'ground'],
  ['muted', 'card'],
  ['muted', 'plainGround'],
  ['text', 'plainGround'],
  ['good', 'goodGround'],
  ['fair', 'fairGround'],
  ['bad', 'badGround'],
  ['text', 'goodGround'],
  ['text', 'fairGround'],
  ['text', 'badGround'],
  ['good', 'card'],
  ['fair', 'card'],
  ['bad', 'card'],
]

for (const [scheme, palette] of Object.entries({ light: LIGHT, dark: DARK })) {
  test(`text has a contrast of at least 4.5 to 1 on its ground (WCAG 2.2 §1.4.3), ${scheme}`, (t) => {
    for (const [text, ground] of PAIRS) {
      const ratio = contrast(palette[text], palette[ground])
      t.true(ratio >= 4.5, `${text} on ${ground}: ${ratio.toFixed(2)}`)
    }
  })
}

test('follows the reader: dark scheme, narrow screens, reduced motion, print', (t) => {
  for (const query of [
    'prefers-color-scheme:dark',
    'max-width:',
    'prefers-reduced-motion:reduce',
    '@media print',
  ]) {
    t.true(PAGE_STYLE.includes(query), query)
  }
})
