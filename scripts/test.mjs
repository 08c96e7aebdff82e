/**
 * Builds, runs the tests tier by tier (with --lanes some beside each other: tiers.mjs), and says what was skipped and why.
 *
 *   node scripts/test.mjs [TIER...] [--no-build] [--verbose] [--lanes]
 *
 * The last line is always `N passed, N failed`. The exit code is 0 only when the build was clean, at least one test
 * passed and none failed.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { AvaReport } from './ava-report.mjs'
import { ROOT, runCommand, summary } from './run-command.mjs'
import { lanesOf, selectTiers } from './tiers.mjs'

/** Ours: lines of a tier's failures that are repeated at the end. */
const MOST_DETAILS = 120

const FLAGS = ['--no-build', '--verbose', '--lanes']
const compiledTests = join(ROOT, 'build', 'test')

process.exitCode = await main(process.argv.slice(2))

async function main(argv) {
  const flags = argv.filter((argument) => argument.startsWith('--'))
  const wanted = argv.filter((argument) => !argument.startsWith('--'))
  const unknownFlag = flags.find((flag) => !FLAGS.includes(flag))
  if (unknownFlag !== undefined) return close(0, [`unknown flag ${unknownFlag}`])
  if (!flags.includes('--no-build') && !(await build())) return close(0, ['the build'])
  removeOrphans()

  const tiers = selectTiers(testFolders(), wanted)
  const missing = wanted.filter((name) => !tiers.some((tier) => tier.name === name))
  if (missing.length > 0) return close(0, [`no tests in test/${missing.join(', test/')}`])
  const results = await runLanes(flags.includes('--lanes') ? lanesOf(tiers) : [tiers], {
    isVerbose: flags.includes('--verbose'),
  })
  printSkips(results)
  if (results.length > 1) repeatFailures(results)
  return close(
    results.reduce((sum, { report }) => sum + report.passed, 0),
    results.flatMap(({ tier, report }) => Array.from({ length: report.failed }, () => tier.name)),
  )
}

/** Prints the closing line. Answers the exit code. */
function close(passed, failures) {
  if (failures.length > 0) console.log(`failed: ${[...new Set(failures)].join(', ')}`)
  if (passed === 0 && failures.length === 0) console.log('no test ran')
  console.log(`${passed} passed, ${failures.length} failed`)
  return passed > 0 && failures.length === 0 ? 0 : 1
}

/** Compiles the package and the tests, side by side. The package is a part of the tests: its types are checked there. */
async function build() {
  const startedMs = performance.now()
  const outcomes = await Promise.all([
    runCommand('npm', ['run', '--silent', 'build:unchecked']),
    runCommand('npm', ['run', '--silent', 'build:test']),
  ])
  const isClean = outcomes.every(({ code }) => code === 0)
  // What both say is told once.
  const errors = new Set(outcomes.flatMap(({ output }) => output).filter((line) => line.trim() !== ''))
  for (const line of errors) console.log(line)
  console.log(summary('build', isClean ? 'ok' : 'FAILED', startedMs))
  return isClean
}

/** tsc leaves behind what it compiled from files that have since been moved or deleted: stale tests would still run. */
function removeOrphans() {
  for (const file of filesBelow(compiledTests)) {
    const source = join(ROOT, 'test', file.replace(/\.js(\.map)?$/, '.ts'))
    if (/\.js(\.map)?$/.test(file) && !existsSync(source)) rmSync(join(compiledTests, file))
  }
}

function testFolders() {
  const files = filesBelow(compiledTests).filter((file) => file.endsWith('.test.js'))
  return [...new Set(files.map((file) => file.split(/[\\/]/)[0] ?? ''))]
}

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true }).filter((file) => /\.js(\.map)?$/.test(file))
}

/** Lanes beside each other, the tiers of each one after the other. */
async function runLanes(lanes, options) {
  // Where there is but one, its priority is nobody's business.
  const isBehind = (tier) => lanes.length > 1 && tier.lane === 'behind'
  const results = lanes.map(async (tiers) => {
    const ofLane = []
    for (const tier of tiers) ofLane.push(await runTier(tier, { ...options, isBehind: isBehind(tier) }))
    return ofLane
  })
  return (await Promise.all(results)).flat()
}

async function runTier(tier, { isVerbose, isBehind }) {
  const startedMs = performance.now()
  const report = new AvaReport()
  const isQuiet = tier.isQuiet && !isVerbose
  const args = ['--concurrency', String(tier.concurrency), `build/test/${tier.name}/**/*.test.js`]
  const env = { ...process.env, NO_COLOR: '1' }
  delete env['FORCE_COLOR'] // it would overrule NO_COLOR, and colours would hide the marks that the report reads
  const child = spawn(
    process.execPath,
    [join(ROOT, 'node_modules', 'ava', 'entrypoints', 'cli.mjs'), ...args],
    {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  if (isBehind && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const isNews = report.line(line)
    if ((isNews || !isQuiet) && line.trim() !== '') console.log(line)
  })
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (report.console(line)) console.error(line)
  })
  const code = await new Promise((settle) => child.on('close', settle))
  if (code !== 0 && report.failed === 0) {
    report.failed++ // AVA died, or found fault with something that it did not print as a test
    console.log(`  ✘ ${tier.name}: ava ended with ${String(code)}`)
  }
  console.log(summary(tier.name, countsOf(report), startedMs))
  return { tier, report }
}

function countsOf(report) {
  return [
    `${report.passed} passed`,
    ...(report.failed > 0 ? [`${report.failed} FAILED`] : []),
    ...(report.skipped > 0 ? [`${report.skipped} skipped`] : []),
  ].join(', ')
}

/** A log that is cut to its end must still say what failed. */
function repeatFailures(results) {
  for (const { tier, report } of results.filter((result) => result.report.failed > 0)) {
    console.log(`\nwhat failed in ${tier.name}:`)
    for (const line of report.details.slice(0, MOST_DETAILS)) console.log(line)
  }
}

function printSkips(results) {
  for (const { tier, report } of results) {
    for (const [reason, count] of report.reasons) {
      console.log(`skipped in ${tier.name}: ${reason}${count > 1 ? ` (${count} ×)` : ''}`)
    }
  }
}
