import test from 'ava'
import fc from 'fast-check'
import { renderJsonReport } from '../../../cli/render/json-report.ts'
import { measured } from '../../../lib/base/fact.ts'
import { withEveryText } from '../../support/hostile-report.ts'
import { ALL_REPORTS, aReport, easyHome, onlyTcp443 } from '../../support/report-fixtures.ts'

/** All paths of fields, `egress[].port`. */
function fieldsOf(value: unknown, path = ''): ReadonlySet<string> {
  if (Array.isArray(value)) return new Set(value.flatMap((item) => [...fieldsOf(item, `${path}[]`)]))
  if (typeof value !== 'object' || value === null) return new Set([path])
  return new Set(
    Object.entries(value).flatMap(([key, item]) =>
      item === undefined ? [] : [...fieldsOf(item, `${path}.${key}`)],
    ),
  )
}

test('keeps every field of the report under its own name, and adds none', (t) => {
  for (const build of Object.values(ALL_REPORTS)) {
    const parsed: unknown = JSON.parse(renderJsonReport(build(), { pretty: false }))
    t.deepEqual(fieldsOf(parsed), fieldsOf(build()))
  }
})

test('is one line for programs, and indented for a terminal; the same value', (t) => {
  const line = renderJsonReport(easyHome(), { pretty: false })
  const pretty = renderJsonReport(easyHome(), { pretty: true })
  t.is(line.indexOf('\n'), line.length - 1)
  t.true(pretty.startsWith('{\n  "schema": "p2p-reach/diagnose/1",\n'))
  t.deepEqual(JSON.parse(line), JSON.parse(pretty))
})

test('rounds times to 0.1 ms and other numbers to four decimals', (t) => {
  const { udp } = easyHome()
  const report = aReport({
    durationMs: 3411.2749,
    udp: { ...udp, rttMs: { ...measured(18.43712, 'x'), ms: 31.449 }, lossRate: measured(0.3370786516, 'x') },
  })
  const text = renderJsonReport(report, { pretty: false })
  t.true(text.includes('"durationMs":3411.3'))
  t.true(text.includes('"rttMs":{"value":18.4,"confidence":"measured","evidence":["x"],"ms":31.4}'))
  t.true(text.includes('"lossRate":{"value":0.3371,'))
})

test('a relay that was not reached has no latency, rather than null', (t) => {
  const text = renderJsonReport(onlyTcp443(), { pretty: false })
  t.true(text.includes('{"url":"p2p-reach://relay2.example.org:8443","reachableBy":[]}'))
  t.false(text.includes('null'))
})

test('an unknown fact is the word unknown, never false', (t) => {
  const text = renderJsonReport(easyHome(), { pretty: false })
  t.true(text.includes('"hairpin":{"value":"unknown","confidence":"unknown"'))
})

test('hostile texts stay what they are and reach no terminal', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      const out = renderJsonReport(withEveryText(easyHome(), text), { pretty: true })
      const expected: unknown = JSON.parse(JSON.stringify({ summary: text }))
      const parsed = JSON.stringify(JSON.parse(out))
      return (
        !/[\p{Cf}\p{Co}\p{Cs}]/u.test(out) &&
        !/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(out) &&
        parsed.includes(JSON.stringify(expected).slice(1, -1))
      )
    }),
    { numRuns: 50 },
  )
  t.pass()
})
