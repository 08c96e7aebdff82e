import test, { type ExecutionContext } from 'ava'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CLI } from '../../cli/program-files.ts'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import { MARK, markedProcesses } from './support/marked-processes.ts'
import { canRunLabs, netnsTest } from './support/netns-test.ts'
import { runDiagnose, startRelay } from './support/relay-process.ts'
import { RunningProgram } from './support/running-program.ts'
import { folderOf } from './support/test-folder.ts'

/* The command on hosts of a lab: what it prints and ends with when there is something, little, or nothing to find. */

const NAME_SERVER = fileURLToPath(new URL('../../cli/demo/name-server.js', import.meta.url))
const SERVER_IPS = ['203.0.113.2', '203.0.113.3']
const ETC = { resolvConf: 'nameserver 203.0.113.2\noptions timeout:1 attempts:1\n' }
/** ECMA-48 §5.4: the control sequence introducer, in either form. */
const CONTROL_SEQUENCE = new RegExp('\u001b|\u009b', 'u')

function cli(host: LabNode, home: string, ...argv: readonly string[]) {
  return host.exec(process.execPath, [CLI, ...argv, '--home', home], { env: { PATH: process.env.PATH } })
}

netnsTest('a server whose name does not exist is a usage error with a hint', async (t, lab) => {
  const internet = await lab.internet()
  const server = await lab.host('server', { at: internet, ips: SERVER_IPS })
  const host = await lab.host('host', { at: internet, ips: ['203.0.113.50'], etc: ETC })
  const names = new RunningProgram(
    server.spawn(process.execPath, [NAME_SERVER, '203.0.113.2', 'stun.demo.test=203.0.113.2']),
  )
  await names.waitForLine(/^ready$/)
  const home = await folderOf(t)
  for (const flags of [
    ['--stun', 'nobody.demo.test'],
    ['--json', '--relay', 'https://nobody.demo.test'],
  ]) {
    const { stdout, stderr, code } = await cli(host, home, 'diagnose', ...flags)
    t.is(code, 2, stderr)
    t.is(stdout, '')
    t.regex(stderr, /^p2p-reach: error: [^\n]*nobody\.demo\.test/m)
    t.regex(stderr, /\np2p-reach: hint: [^\n]+\n$/)
    t.notRegex(stderr, /\n\s+at /)
  }
})

netnsTest(
  'a host without any network is offline: exit code 3, a report, and no stack trace',
  async (t, lab) => {
    const host = await lab.host('alone')
    const { report, code, stderr } = await runDiagnose(host, ['--stun', '203.0.113.2'])
    t.is(code, 3)
    t.is(report.verdict.class, 'offline')
    t.is(report.verdict.remedies[0]?.id, 'connect')
    t.is(report.udp.works.ipv4.value, false)
    t.is(stderr, '')
    const text = await cli(host, await folderOf(t), 'diagnose')
    t.is(text.code, 3)
    t.notRegex(text.stdout + text.stderr, /\n\s+at /)
  },
)

netnsTest('into a pipe the report is plain text, and --html writes it as a page, too', async (t, lab) => {
  const internet = await lab.internet()
  const server = await lab.host('server', { at: internet, ips: SERVER_IPS })
  const host = await lab.host('host', { at: internet, ips: ['203.0.113.50'] })
  const { pin } = await startRelay(server, SERVER_IPS)
  const home = await folderOf(t)
  const page = join(home, 'report.html')
  const flags = ['--relay', `https://203.0.113.2${pin}`, '--html', page]
  const { stdout, stderr, code } = await cli(host, home, 'diagnose', ...flags)
  t.is(code, 0, stderr)
  t.true(stdout.includes('203.0.113.50'))
  t.notRegex(stdout + stderr, CONTROL_SEQUENCE)
  t.true(stderr.endsWith(`p2p-reach: the report as a page: ${page}\n`))
  const html = await readFile(page, 'utf8')
  t.regex(html, /^<!doctype html>/i)
  t.true(html.includes('203.0.113.50'))

  const nowhere = join(home, 'missing', 'report.html')
  const failed = await cli(host, home, 'diagnose', '--json', ...flags.slice(0, 2), '--html', nowhere)
  t.is(failed.code, 2)
  t.true(failed.stdout.startsWith('{'), 'what was measured is not lost')
  t.regex(failed.stderr, /^p2p-reach: error: cannot write the page to [^\n]+\np2p-reach: hint: [^\n]+\n$/)
})

const serial = canRunLabs ? test.serial : test.serial.skip

/** The demo as a process of its own, all of whose descendants carry the mark. */
function startDemo(mark: string): RunningProgram {
  const env = { ...process.env, [MARK]: mark }
  return new RunningProgram(spawn(process.execPath, [CLI, 'demo', '--json'], { env }))
}

/** Processes end a moment after their parent; polls for it. */
async function leavesNothing(t: ExecutionContext, mark: string): Promise<void> {
  let left = await markedProcesses(mark)
  for (let polls = 0; left.length > 0 && polls < 250; polls++) {
    await sleep(20)
    left = await markedProcesses(mark)
  }
  t.deepEqual(left, [])
}

serial(
  'demo --json prints two reports, a prediction and a transfer, and leaves nothing behind',
  async (t) => {
    t.timeout(120_000)
    const mark = randomUUID()
    const demo = startDemo(mark)
    t.deepEqual(await demo.ended, { code: 0, signal: undefined }, demo.stderr)
    const events = demo.lines.map((line): unknown => JSON.parse(line))
    t.is(events.length, 4)
    t.like(events[0], { event: 'report', peer: 'alice', report: { verdict: { class: 'easy' } } })
    t.like(events[1], { event: 'report', peer: 'bob', report: { verdict: { class: 'hard' } } })
    t.like(events[2], { event: 'prediction', peers: ['alice', 'bob'] })
    t.like(events[3], {
      ...{ event: 'transfer', from: 'alice', to: 'bob', isWhole: true, bytes: 64 * 1024 * 1024 },
      path: 'relay 203.0.113.2:443',
    })
    t.notRegex(demo.stderr, /\n\s+at /)
    await leavesNothing(t, mark)
  },
)

serial('SIGINT in the middle of the demo ends it with 130 and leaves nothing behind', async (t) => {
  t.timeout(120_000)
  const mark = randomUUID()
  const demo = startDemo(mark)
  await demo.waitForLine(/"peer":"alice"/)
  t.true((await markedProcesses(mark)).length > 1)
  t.deepEqual(await demo.stop('SIGINT'), { code: 130, signal: undefined }, demo.stderr)
  t.notRegex(demo.stderr, /error|\n\s+at /)
  await leavesNothing(t, mark)
})

serial('SIGINT while the demo builds its internet ends it with 130 and leaves nothing behind', async (t) => {
  t.timeout(120_000)
  const mark = randomUUID()
  const demo = startDemo(mark)
  while ((await markedProcesses(mark)).length < 4 && demo.lines.length === 0) await sleep(5)
  t.deepEqual(await demo.stop('SIGINT'), { code: 130, signal: undefined }, demo.stderr)
  t.notRegex(demo.stderr, /error|\n\s+at /)
  await leavesNothing(t, mark)
})
