import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { CLI } from '../../cli/program-files.ts'
import { USAGE } from '../../cli/usage.ts'
import { freePortPair } from '../loopback/relay-support/relay.ts'
import { RunningProgram } from '../netns/support/running-program.ts'

/* The program as a person meets it: what stands on stdout, what on stderr, and with what it ends. */

const PACKAGE = fileURLToPath(new URL('../../../package.json', import.meta.url))

/** Settings of whoever runs the tests are none here. */
function environmentOf(t: ExecutionContext): NodeJS.ProcessEnv {
  const home = mkdtempSync(join(tmpdir(), 'transcripts-test-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  return { PATH: process.env.PATH, P2P_REACH_HOME: home }
}

interface Transcript {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}

async function run(t: ExecutionContext, ...argv: readonly string[]): Promise<Transcript> {
  const child = spawn(process.execPath, [CLI, ...argv], {
    env: environmentOf(t),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { stdout, stderr, code }
}

/** One line that says what failed, one that says what to do, and nothing else. */
function isComplaint(t: ExecutionContext, { stdout, stderr, code }: Transcript, expected: number): void {
  t.is(stdout, '')
  t.regex(stderr, /^p2p-reach: error: [^\n]+\np2p-reach: hint: [^\n]+\n$/)
  t.notRegex(stderr, /\n\s+at /)
  t.is(code, expected)
}

test('--help and --version are results', async (t) => {
  t.deepEqual(await run(t, '--help'), { stdout: USAGE.main, stderr: '', code: 0 })
  t.deepEqual(await run(t, 'diagnose', '--help'), { stdout: USAGE.diagnose, stderr: '', code: 0 })
  t.deepEqual(await run(t, 'relay', 'up', '--help'), { stdout: USAGE['relay-up'], stderr: '', code: 0 })
  const { stdout, stderr, code } = await run(t, '--version')
  t.deepEqual({ stderr, code }, { stderr: '', code: 0 })
  const manifest: unknown = JSON.parse(readFileSync(PACKAGE, 'utf8'))
  t.like(manifest, { name: 'p2p-reach', version: stdout.trimEnd() })
  t.regex(stdout, /^[0-9]+\.[0-9]+\.[0-9]+\S*\n$/)
})

test('mistakes on the command line are two lines on stderr and exit code 2', async (t) => {
  const mistakes = [
    [],
    ['diagnoze'],
    ['relay'],
    ['diagnose', '--nonsense'],
    ['diagnose', '--relay', 'ftp://x'],
    ['diagnose', '--stun', '1.2.3:99999'],
    ['diagnose', '--stun', ''],
    ['diagnose', '--json', '--relay', ''],
    ['diagnose', '--config', join(tmpdir(), 'p2p-reach-no-such-file.json')],
    ['relay', 'up', '--listen', 'x y'],
    ['relay', 'up', '--listen=127.0.0.1:1', '--stun', 'name.test:3478', '--no-tls'],
    ['demo', 'now'],
  ]
  for (const argv of mistakes) isComplaint(t, await run(t, ...argv), 2)
})

test('what a person typed cannot forge lines or colours of the message', async (t) => {
  const forged = await run(t, 'diagnose', '--stun', 'x\np2p-reach: all is well\u001b[32m')
  isComplaint(t, forged, 2)
  t.false(forged.stderr.includes('\u001b'))
})

test('relay up on a taken port says so, with exit code 1', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const stun = await freePortPair(['127.0.0.1'])
  const flags = ['--listen', `127.0.0.1:${port}`, '--stun', `127.0.0.1:${stun}`, '--no-tls']
  const failed = await run(t, 'relay', 'up', ...flags)
  isComplaint(t, failed, 1)
  t.true(failed.stderr.includes(`127.0.0.1:${port}`))
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test.serial(
    `relay up tells when it is ready and, after ${signal}, that it closed; exit code 0`,
    async (t) => {
      const stun = await freePortPair(['127.0.0.1'])
      const tcp = await freePortPair(['127.0.0.1'])
      const argv = ['relay', 'up', '--json', '--listen', `127.0.0.1:${tcp}`, '--stun', `127.0.0.1:${stun}`]
      const child = spawn(process.execPath, [CLI, ...argv], { env: environmentOf(t) })
      const program = new RunningProgram(child)
      await program.waitForLine(/"event":"ready"/)
      t.deepEqual(await program.stop(signal), { code: 0, signal: undefined })
      const events = program.lines.map((line): unknown => JSON.parse(line))
      t.like(events[0], {
        event: 'ready',
        tcp: [`127.0.0.1:${tcp}`],
        stun: [`127.0.0.1:${stun}`, `127.0.0.1:${stun + 1}`],
      })
      t.regex(program.lines[0] ?? '', new RegExp(`"https://127\\.0\\.0\\.1:${tcp}#sha256=[0-9a-f]{64}"`))
      t.deepEqual(events.slice(1), [{ event: 'closed', reason: 'interrupted' }])
      t.is(program.stderr, '')
    },
  )
}

test.serial('relay up for people talks on stderr and prints nothing else', async (t) => {
  const stun = await freePortPair(['127.0.0.1'])
  const tcp = await freePortPair(['127.0.0.1'])
  const argv = ['relay', 'up', '--no-tls', '--listen', `127.0.0.1:${tcp}`, '--stun', `127.0.0.1:${stun}`]
  const child = spawn(process.execPath, [CLI, ...argv], { env: environmentOf(t) })
  const closed = once(child, 'close')
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  await new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk
      if (stderr.includes('diagnose --relay')) resolve()
    })
    child.once('close', () => resolve())
  })
  child.kill('SIGINT')
  t.deepEqual(await closed, [0, null])
  t.is(stdout, '')
  t.regex(stderr, new RegExp(`p2p-reach diagnose --relay 'http://127\\.0\\.0\\.1:${tcp}'\n`))
  t.true(stderr.endsWith('p2p-reach: relay closed\n'))
  t.false(stderr.includes('\u001b'))
})
