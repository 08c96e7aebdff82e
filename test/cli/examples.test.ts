import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { REPOSITORY } from '../architecture/source-tree.ts'
import { RunningProgram } from '../netns/support/running-program.ts'
import { aNetwork } from './support/member-network.ts'

/* Each example as its first lines say: processes with home folders, and a relay. They import the package as it is built. */

test.before((t) =>
  t.true(existsSync(join(REPOSITORY, 'dist', 'lib', 'index.js')), 'run  npm run build  first'),
)

/** `node examples/NAME.mjs --home HOME …` */
function example(
  t: ExecutionContext,
  home: string,
  name: string,
  ...args: readonly string[]
): RunningProgram {
  const argv = [join('examples', `${name}.mjs`), '--home', home, ...args]
  const env = { PATH: process.env.PATH }
  const child = spawn(process.execPath, argv, { cwd: REPOSITORY, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const program = new RunningProgram(child)
  t.teardown(() => program.stop('SIGKILL'))
  return program
}

async function serving(
  t: ExecutionContext,
  home: string,
  name: string,
  ...args: readonly string[]
): Promise<RunningProgram> {
  const program = example(t, home, name, ...args)
  await program.waitForLine(/^ready: .*alice/)
  return program
}

/** It ends by itself, without a word on stderr; answers its lines. */
async function linesOf(t: ExecutionContext, program: RunningProgram): Promise<readonly string[]> {
  const end = await program.ended
  t.deepEqual(end, { code: 0, signal: undefined }, program.stderr)
  t.is(program.stderr, '')
  return program.lines
}

async function interrupted(t: ExecutionContext, ...programs: readonly RunningProgram[]): Promise<void> {
  for (const program of programs) {
    const startMs = performance.now()
    t.deepEqual(await program.stop('SIGINT'), { code: 0, signal: undefined }, program.stderr)
    t.is(program.stderr, '')
    t.true(performance.now() - startMs < 4000, 'Ctrl-C waits for nobody')
  }
}

/** The end of a line: the relay at first, and soon a direct path. */
function byPath(via: string): RegExp {
  return new RegExp(`by (?:relay ${via.replaceAll('.', '\\.')}|direct-(?:tcp|udp) \\S+)$`)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test.serial('echo gives back what it gets, and says why not', async (t) => {
  const { folder, via } = await aNetwork(t)
  const alice = await serving(t, join(folder, 'alice'), 'echo')
  const said = await linesOf(t, example(t, join(folder, 'bob'), 'echo', 'alice/echo', 'Is anybody there?'))
  t.is(said[0], 'Is anybody there?')
  t.regex(said[1] ?? '', byPath(via))
  await alice.waitForLine(/^echo for bob$/)

  const refused = example(t, join(folder, 'bob'), 'echo', 'alice/ohce')
  t.is((await refused.ended).code, 1)
  t.regex(refused.stderr, /^ERR_REACH_STREAM_REFUSED: alice exposes no service ohce check the name/)
  await interrupted(t, alice)
})

test.serial('udp-echo gives back datagrams, and its flow ends on both sides', async (t) => {
  const { folder, via } = await aNetwork(t)
  const alice = await serving(t, join(folder, 'alice'), 'udp-echo')
  const lines = await linesOf(t, example(t, join(folder, 'bob'), 'udp-echo', 'alice/udp-echo'))
  t.regex(lines[0] ?? '', /^20 of 20 came back, in [0-9.]+ ms$/)
  t.regex(lines[1] ?? '', byPath(via))
  await alice.waitForLine(/^a flow of bob$/)
  await alice.waitForLine(/^the flow of bob is over$/)
  await interrupted(t, alice)
})

test.serial(
  'web answers node:http and undici, and ends at once though its clients keep connections',
  async (t) => {
    const { folder, via } = await aNetwork(t)
    const alice = await serving(t, join(folder, 'alice'), 'web')
    const answer = '200: /page?x=1 of alice, who has no port open'
    const lines = await linesOf(t, example(t, join(folder, 'bob'), 'web', 'http://alice/page?x=1'))
    t.deepEqual(lines.slice(0, 2), [`node:http ${answer}`, `undici ${answer}`])
    t.regex(lines[2] ?? '', byPath(via))
    t.deepEqual(alice.lines.slice(1), ['GET /page?x=1', 'GET /page?x=1'])
    await interrupted(t, alice)
  },
)

test.serial('send-file brings files whole, and nothing else is left in the folder', async (t) => {
  const { folder, via } = await aNetwork(t)
  const inbox = join(folder, 'inbox')
  const alice = await serving(t, join(folder, 'alice'), 'send-file', '--into', inbox)
  mkdirSync(join(folder, 'outbox'))
  for (const [name, size] of [
    ['big.bin', 25_000_003],
    ['empty', 0],
    ['.hidden', 10],
  ] as const) {
    const bytes = randomBytes(size)
    const file = join(folder, 'outbox', name)
    writeFileSync(file, bytes)
    const lines = await linesOf(t, example(t, join(folder, 'bob'), 'send-file', 'alice/files', file))
    t.is(lines[0], sha256(bytes))
    t.regex(lines[1] ?? '', byPath(via))
    const kept = join(inbox, name.replace('.hidden', 'hidden'))
    t.is(sha256(readFileSync(kept)), sha256(bytes))
    t.true(alice.lines.includes(`${kept} from bob: whole, ${size} bytes`))
  }

  // Whoever sends breaks off in the midst of it.
  const file = join(folder, 'outbox', 'broken.bin')
  writeFileSync(file, randomBytes(150_000_000))
  const bob = example(t, join(folder, 'bob'), 'send-file', 'alice/files', file)
  while (!readdirSync(inbox).some((name) => name.endsWith('.part'))) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await bob.stop('SIGKILL')
  // The one case in which closing takes its five seconds: bob's session might come back for what it lacks.
  t.deepEqual(await alice.stop('SIGINT'), { code: 0, signal: undefined }, alice.stderr)
  t.deepEqual(readdirSync(inbox).sort(), ['big.bin', 'empty', 'hidden'])
})

test.serial('chat carries each line to all, with names that nobody can invent', async (t) => {
  const { folder, via } = await aNetwork(t)
  const alice = await serving(t, join(folder, 'alice'), 'chat')
  const bob = example(t, join(folder, 'bob'), 'chat')
  await bob.waitForLine(/^ready: bob, with alice$/)
  const carol = example(t, join(folder, 'carol'), 'chat')
  await carol.waitForLine(/^ready: carol, with alice, bob$/)
  const members = { alice, bob, carol }
  for (const [name, member] of Object.entries(members)) {
    member.say('Good morning!')
    member.say(`mallory: it is ${name}`)
    for (const other of Object.values(members)) {
      if (other === member) continue
      await other.waitForLine(new RegExp(`^${name}: Good morning!$`))
      await other.waitForLine(new RegExp(`^${name}: mallory: it is ${name}$`))
    }
  }
  t.true(bob.lines.some((line) => line.startsWith('* alice by ') && byPath(via).test(line)))
  t.is(alice.lines.filter((line) => /^(?:bob|carol|alice): /.test(line)).length, 4)
  await interrupted(t, carol)
  await alice.waitForLine(/^\* carol has gone$/)
  bob.say('Who is left?')
  await alice.waitForLine(/^bob: Who is left\?$/)
  await interrupted(t, alice, bob)
})

test.serial('websocket shows every member the counter, and who turned it', async (t) => {
  const { folder, via } = await aNetwork(t)
  const alice = await serving(t, join(folder, 'alice'), 'websocket')
  const bob = example(t, join(folder, 'bob'), 'websocket', 'ws://alice/')
  const carol = example(t, join(folder, 'carol'), 'websocket', 'ws://alice/')
  for (const member of [bob, carol]) {
    await member.waitForLine(/^\{"count":0\}$/)
    t.regex(member.lines[0] ?? '', byPath(via))
  }
  bob.say('')
  for (const member of [bob, carol]) await member.waitForLine(/^\{"count":1,"by":"bob"\}$/)
  carol.say('')
  for (const member of [bob, carol]) await member.waitForLine(/^\{"count":2,"by":"carol"\}$/)
  await alice.waitForLine(/^carol: 2$/)
  await interrupted(t, carol)
  await interrupted(t, alice)
  await linesOf(t, bob) // its socket was closed
})
