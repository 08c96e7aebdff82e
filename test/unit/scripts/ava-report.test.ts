import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'

/** Scripts run before anything is compiled and have no types, so a process of their own speaks JSON with the test. */
const READ_LINES = `
  const { AvaReport } = await import(process.argv[1])
  const read = ({ lines, written }) => {
    const report = new AvaReport()
    const shown = lines.filter((line) => report.line(line))
    for (const line of written) report.console(line)
    const { passed, failed, skipped, reasons } = report
    return { passed, failed, skipped, reasons: Object.fromEntries(reasons), shown }
  }
  console.log(JSON.stringify(JSON.parse(process.argv[2]).map(read)))
`
const SELECT_TIERS = `
  const { selectTiers } = await import(process.argv[1])
  const { folders, wanted } = JSON.parse(process.argv[2])
  console.log(JSON.stringify(selectTiers(folders, wanted).map(({ name }) => name)))
`

const LANES = `
  const { lanesOf, selectTiers } = await import(process.argv[1])
  const lanes = lanesOf(selectTiers(JSON.parse(process.argv[2]), []))
  console.log(JSON.stringify(lanes.map((tiers) => tiers.map(({ name }) => name))))
`

function runScript(code: string, file: string, input: unknown): unknown {
  const url = pathToFileURL(join(process.cwd(), 'scripts', file)).href
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', code, url, JSON.stringify(input)],
    { encoding: 'utf8' },
  )
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

interface Output {
  readonly lines: readonly string[]
  readonly written?: readonly string[]
}

/** What each output is read as, all in one process. */
function readReports(outputs: readonly Output[]): readonly unknown[] {
  const input = outputs.map(({ lines, written = [] }) => ({ lines, written }))
  const reports = runScript(READ_LINES, 'ava-report.mjs', input)
  return Array.isArray(reports) ? reports : []
}

test('counts passes, failures and skips, and hides what went well', (t) => {
  const lines = [
    '',
    '  - [skip] a › disabled',
    '  - [todo] a › later',
    '  ✔ a › passes (1.2s)',
    '    ℹ a remark',
    '  ✘ [fail]: a › fails # odd',
    '    ℹ what led to it',
    '  ✔ a › cannot run here',
    '    ℹ skipped: needs root',
    '  ✔ a › cannot run here either',
    '    ℹ skipped: needs root',
    '  ─',
    '  a › fails # odd',
    '  ✔ quoted from a report in a difference',
    '  1 test failed',
    '  3 tests passed',
  ]
  t.deepEqual(readReports([{ lines }])[0], {
    passed: 1,
    failed: 1,
    skipped: 3,
    reasons: { 'disabled in its file: a › disabled': 1, 'needs root': 2 },
    shown: [
      '',
      '  - [todo] a › later',
      '  ✘ [fail]: a › fails # odd',
      '    ℹ what led to it',
      '  a › fails # odd',
      '  ✔ quoted from a report in a difference',
      '  1 test failed',
    ],
  })
})

test('files that crash, exit, hang or hold no test are failures', (t) => {
  const crashes: readonly (readonly [lines: readonly string[], failed: number])[] = [
    [['  Uncaught exception in build/test/unit/c.test.js'], 1],
    [['  Unhandled rejection in build/test/unit/c.test.js'], 1],
    [['  ✘ Exiting due to process.exit() when running build/test/unit/b.test.js'], 1],
    [['  ✘ build/test/unit/b.test.js exited with a non-zero exit code: 3'], 1],
    [['  ✘ No tests found in build/test/unit/b.test.js'], 1],
    [['  ✘ [unexpected pass]: b › known to fail'], 1],
    [['  ✘ Timed out while running tests', '  ◌ d › hangs', '  ◌ d › hangs, too'], 2],
  ]
  const reports = readReports(crashes.map(([lines]) => ({ lines })))
  for (const [index, [lines, failed]] of crashes.entries()) {
    t.like(reports[index], { passed: 0, failed }, lines.join('\n'))
  }
})

test('a failed test stays failed when it says that it was skipped', (t) => {
  const lines = ['  ✘ [fail]: a › fails', '    ℹ skipped: needs root']
  t.like(readReports([{ lines }])[0], { passed: 0, failed: 1, skipped: 0, reasons: {} })
})

test('a reason that a file prints itself is kept, and moves no count', (t) => {
  const [report] = readReports([{ lines: ['  ✔ a › passes'], written: ['skipped: no IPv6 here', 'hello'] }])
  t.like(report, { passed: 1, skipped: 0, reasons: { 'no IPv6 here': 1 } })
})

test('tiers run in their order, unknown folders last, and only those that are wanted', (t) => {
  const folders = ['zoo', 'netns', 'unit', 'architecture']
  t.deepEqual(runScript(SELECT_TIERS, 'tiers.mjs', { folders, wanted: [] }), [
    'architecture',
    'unit',
    'netns',
    'zoo',
  ])
  t.deepEqual(runScript(SELECT_TIERS, 'tiers.mjs', { folders, wanted: ['zoo', 'unit'] }), ['unit', 'zoo'])
})

test('tiers that only burn processor time, and labs, run in lanes of their own', (t) => {
  const folders = ['zoo', 'netns', 'sim', 'unit', 'architecture', 'interop', 'loopback', 'cli']
  t.deepEqual(runScript(LANES, 'tiers.mjs', folders), [
    ['architecture', 'cli', 'loopback', 'interop', 'zoo'],
    ['unit', 'sim'],
    ['netns'],
  ])
})
