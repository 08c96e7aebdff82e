import test from 'ava'
import fc from 'fast-check'
import { measured } from '../../../lib/base/fact.ts'
import type { DiagnoseReport } from '../../../lib/probe/report.ts'
import { textWidth } from '../../../cli/render/text-width.ts'
import { renderTerminalReport } from '../../../cli/render/terminal-report.ts'
import {
  ALL_REPORTS,
  aNat,
  aRemedy,
  aReport,
  anEgress,
  aVerdict,
  captivePortal,
  dualStackFirewall,
  easyHome,
  lossyNetwork,
  offline,
  onlyTcp443,
  openServer,
  symmetricBehindCgn,
  tlsInterception,
  udpBlocked,
} from '../../support/report-fixtures.ts'
import { withEveryText } from '../../support/hostile-report.ts'

const ESC = '\x1b'

function render(report: DiagnoseReport, options = {}): string {
  return renderTerminalReport(report, { colors: false, width: 100, unicode: true, ...options })
}

/** The line that starts with this name, mark aside. */
function fact(text: string, name: string): string {
  return text.split('\n').find((line) => line.replace(/^ +\S +/, '').startsWith(name)) ?? ''
}

/** What stands under a heading. */
function section(text: string, heading: string): string {
  return text.split('\n\n').find((part) => part.startsWith(`${heading}\n`)) ?? ''
}

const VERDICTS: Readonly<Record<string, string>> = {
  easyHome: '✓ Easy: peers can connect to you directly',
  openServer: '✓ Open: anybody can connect to you directly',
  symmetricBehindCgn: '~ Hard: your provider shares its public addresses',
  udpBlocked: '✗ Blocked: this network drops UDP',
  onlyTcp443: '✗ Blocked: only TLS to port 443 leaves this network',
  offline: '✗ Offline: this host has no connection to the internet.',
  captivePortal: '✗ Blocked: this network wants you to sign in',
  tlsInterception: '✓ Easy: peers can connect to you directly; but',
  dualStackFirewall: '✓ Easy: peers can connect to you directly, over IPv4 and over IPv6.',
  lossyNetwork: '~ Hard: a third of all packets is lost',
}

test('starts with the verdict in words, for every fixture', (t) => {
  t.deepEqual(Object.keys(VERDICTS).sort(), Object.keys(ALL_REPORTS).sort())
  for (const [name, build] of Object.entries(ALL_REPORTS)) {
    const start = VERDICTS[name] ?? 'missing'
    t.is(render(build()).slice(0, start.length), start, name)
  }
})

test('numbers the remedies, each with its reason', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    const report = build()
    const remedies = section(render(report, { width: 110 }), 'What to change').replace(/\s+/g, ' ')
    for (const [index, { action, why }] of report.verdict.remedies.entries()) {
      t.true(remedies.includes(` ${index + 1}. ${action} ${why}`), action)
    }
  }
})

test('says that nothing has to change where the network is good, and not where it only has no remedy', (t) => {
  const change = (report: DiagnoseReport) => section(render(report), 'What to change')
  t.true(change(easyHome()).includes('Nothing: this network is good'))
  t.false(change(aReport({ verdict: aVerdict('hard', 'it is hard.') })).includes('is good'))
})

test('draws the path with each NAT and its address', (t) => {
  const cgn =
    'this host 192.168.1.10 ── NAT 192.168.1.1 ── carrier NAT 100.64.0.1 ── internet as 203.0.113.50\n'
  t.true(render(symmetricBehindCgn()).includes(cgn))
  t.true(
    render(openServer()).includes(
      'this host 203.0.113.80 ── router 203.0.113.1 ── internet as 203.0.113.80\n',
    ),
  )
  t.true(render(offline()).includes('this host ── no way to the internet\n'))
  t.true(render(captivePortal()).includes('── router 192.168.1.1 ── sign-in page wifi.hotel.example\n'))
})

test('draws both families where both work, IPv6 with its firewall', (t) => {
  const text = render(dualStackFirewall())
  t.true(text.includes('IPv4: this host 192.168.1.10 ── NAT 192.168.1.1 ── internet as 203.0.113.50\n'))
  t.true(
    text.includes('IPv6: this host 2001:db8:77:1::10 ── firewall fe80::1 ── internet as 2001:db8:77:1::10\n'),
  )
  t.true(section(text, 'Firewall (IPv6)').includes('none: addresses and ports are not translated'))
})

test('explains terms of the RFCs in place', (t) => {
  const text = render(easyHome(), { width: 110 })
  t.regex(fact(text, 'Mapping'), /endpoint-independent: one public port for every destination/)
  t.regex(
    fact(text, 'Filtering'),
    /address-and-port-dependent: only the exact address and port sent to can answer/,
  )
  t.regex(fact(text, 'Port allocation'), /preserving: the public port is the local port/)
})

test('uses symmetric and cone in parentheses only', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    const outside = render(build()).replace(/\([^)]*\)/g, '')
    t.notRegex(outside, /symmetric|cone/i)
  }
})

test('shows an unknown fact as not known with its reason, never as no', (t) => {
  const text = render(lossyNetwork())
  t.regex(fact(text, 'Filtering'), /not known: too few answers to tell/)
  t.regex(fact(text, 'Port allocation'), /not known: 5 of at least 8 sockets were answered/)
  t.regex(fact(text, 'Hairpinning'), /not known: only measured with --deep/)
  t.regex(fact(text, 'Ping'), /not known: this host has no usable ping/)
})

test('says that an unknown fact without evidence was not measured', (t) => {
  const nat = aNat({ alg: { value: 'unknown', confidence: 'unknown', evidence: [] } })
  t.regex(fact(render(aReport({ nat })), 'Rewriting'), /not known: it was not measured/)
})

test('marks inferred facts as probable and gives their reason even on another line', (t) => {
  const text = render(lossyNetwork(), { width: 80 }).replace(/\s+/g, ' ')
  t.true(text.includes('address-and-port-dependent (probably): another public port'))
  t.true(text.includes('[the public port varies between servers; none offers a second port'))
})

test('tells with whom a connection is direct, and why, without colour', (t) => {
  const meaning = section(render(symmetricBehindCgn()), 'What this means')
  t.regex(meaning, /✓ {2}direct +a server with a public address \(open\)/)
  t.regex(meaning, /~ {2}direct, after a search +most home routers; IPv6 behind a firewall \(EIM\/APDF\)/)
  t.regex(meaning, /✗ {2}only by relay +older office firewalls/)
  t.regex(meaning, /why: UDP is blocked/)
})

test('says nothing about peers while no server is reached, whatever is predicted', (t) => {
  for (const report of [offline(), captivePortal()]) {
    t.true(report.prediction.length > 0)
    const meaning = section(render(report), 'What this means')
    t.is(meaning, 'What this means\n  Nothing can be said about peers while this host reaches no server.')
  }
})

test('a certificate that nobody vouches for is named, where the connection works', (t) => {
  const relay = 'https://relay.example.org'
  const egress = [anEgress(relay, 'tls', 443, true, { tlsIssuer: 'relay.example.org', tlsTrusted: false })]
  const text = render(aReport({ egress, relays: [{ url: relay, reachableBy: ['tls'] }] }), { width: 110 })
  t.regex(
    fact(text, 'TLS 443'),
    /~ .*works, not trusted: certificate by “relay.example.org”: something on the/,
  )
})

test('a clock that is right is right', (t) => {
  t.regex(
    fact(render(aReport({ clockSkewMs: measured(0, 'x') })), 'Clock'),
    /✓ .*right: as the relays’ clocks/,
  )
})

test('lists every transport to every relay, with errors in words', (t) => {
  const relays = section(render(onlyTcp443()), 'Relays and servers')
  t.regex(relays, /p2p-reach:\/\/relay\.example\.org, 48 ms away/)
  t.regex(relays, /✗ {2}UDP 3478 +does not work: no answer \(ETIMEDOUT\)/)
  t.regex(relays, /✗ {2}SSH 22 +does not work: refused \(ECONNREFUSED\)/)
  t.regex(relays, /✓ {2}HTTP proxy 3128 +works/)
  t.regex(relays, /p2p-reach:\/\/relay2\.example\.org:8443, not reached/)
  t.regex(relays, /\? {2}TLS 8443 +not known: not tried/)
})

test('names who opens TLS, and the clock that is wrong', (t) => {
  const text = render(tlsInterception())
  const reason = 'TLS is intercepted: certificate signed by ACME Corp Web Inspection CA 2'
  t.true(text.replace(/\s+/g, ' ').includes(`✗ TLS 443 does not work: ${reason}`))
  t.regex(fact(text, 'Clock'), /1 h 30 min ahead of the relays: certificates look expired/)
})

test('does not call IPv6 bad where IPv4 works, but calls UDP bad where neither does', (t) => {
  t.regex(fact(render(easyHome()), 'UDP over IPv6'), /^ +· .*does not work/)
  t.regex(fact(render(udpBlocked()), 'UDP over IPv4'), /^ +✗ .*does not work/)
})

test('no line is wider than asked, at any width', (t) => {
  for (const width of [20, 33, 59, 60, 71, 72, 80, 110]) {
    for (const [name, build] of Object.entries(ALL_REPORTS)) {
      for (const line of render(build(), { width, colors: false }).split('\n')) {
        t.true(textWidth(line) <= width, `${name} at ${width}: ${line}`)
      }
    }
  }
})

test('no line is wider than asked, whatever the texts are', (t) => {
  const texts = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(texts, fc.integer({ min: 20, max: 110 }), fc.boolean(), (text, width, unicode) => {
      const out = render(withEveryText(lossyNetwork(), text), { width, unicode })
      return out.split('\n').every((line) => textWidth(line) <= width)
    }),
    { numRuns: 30 },
  )
  t.pass()
})

test('has no escape sequence without colours, and some with', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    t.false(render(build()).includes(ESC))
    t.true(render(build(), { colors: true }).startsWith(`${ESC}[`))
  }
})

test('colours change nothing but colours', (t) => {
  const plain = render(symmetricBehindCgn(), { colors: true }).replace(/\x1b\[\d+m/g, '')
  t.is(plain, render(symmetricBehindCgn()))
})

test('is plain ASCII where the locale is not UTF-8', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    t.regex(render(build(), { unicode: false }), /^[\n\x20-\x7e]*$/)
  }
  const text = render(symmetricBehindCgn(), { unicode: false })
  t.true(text.includes('this host 192.168.1.10 -- NAT 192.168.1.1 -- carrier NAT 100.64.0.1 -- internet as'))
  t.regex(text, /x {2}only by relay/)
})

test('escape sequences and right-to-left overrides from servers are shown, not obeyed', (t) => {
  const hostile = `${ESC}[2J${ESC}]0;owned\x07\u009b31m\u202eevil\r\n✓ Easy`
  for (const colors of [false, true]) {
    const out = render(withEveryText(tlsInterception(), hostile), { colors, width: 110 })
    t.false(out.includes(`${ESC}[2J`))

    t.notRegex(out.replace(/\x1b\[\d+m/g, ''), /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
    t.true(out.includes('\\u{1b}[2J'))
  }
})

test('a very long text from a server does not bury the report', (t) => {
  const long = render(withEveryText(easyHome(), 'x'.repeat(50_000)))
  t.true(long.length < 100_000, String(long.length))
})

test('a long remedy wraps under its own text', (t) => {
  const action = 'Ask whoever runs this network to let UDP out to all ports above 1023.'
  const text = render(
    aReport({ verdict: aVerdict('hard', 'it is hard.', aRemedy('x', action, 'Then it works.')) }),
    {
      width: 50,
    },
  )
  t.true(
    text.includes(
      '  1.  Ask whoever runs this network to let UDP out\n      to all ports above 1023. Then it works.\n',
    ),
    text,
  )
})
