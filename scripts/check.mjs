/**
 * What to run before each commit: types, lint, format, and the tests that need nothing but a processor. All of it runs
 * whatever fails first, so that one run tells everything. The exit code is 0 only when all is well.
 */
import { runCommand, summary } from './run-command.mjs'

const CHECKS = [
  { name: 'types', args: ['run', '--silent', 'build:test'] },
  { name: 'lint', args: ['run', '--silent', 'lint'] },
  { name: 'format', args: ['run', '--silent', 'format:check'] },
]

const outcomes = await Promise.all(CHECKS.map(runCheck))
for (const line of outcomes.flatMap(({ output }) => output)) console.log(line)
for (const { line } of outcomes) console.log(line)

const tests = await runTests()
process.exitCode = tests && outcomes.every(({ isClean }) => isClean) ? 0 : 1

async function runCheck({ name, args }) {
  const startedMs = performance.now()
  const { code, output } = await runCommand('npm', args)
  const isClean = code === 0
  return { isClean, output: isClean ? [] : output, line: summary(name, isClean ? 'ok' : 'FAILED', startedMs) }
}

async function runTests() {
  const tiers = ['architecture', 'unit', 'sim']
  const { code, output } = await runCommand(process.execPath, ['scripts/test.mjs', '--no-build', ...tiers])
  for (const line of output) console.log(line)
  return code === 0
}
