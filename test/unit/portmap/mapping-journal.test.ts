import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../lib/base/errors.ts'
import type { Runtime } from '../../../lib/base/runtime.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { formatJournal, parseJournal } from '../../../lib/portmap/journal-format.ts'
import { MappingJournal } from '../../../lib/portmap/mapping-journal.ts'
import type { MappingGrant } from '../../../lib/protocol/port-mapping/mapping.ts'

const GRANT: MappingGrant = {
  protocol: 'pcp',
  gatewayIp: '192.168.1.1',
  internal: transportAddress('192.168.1.10', 8_080, 'tcp'),
  externalIp: '203.0.113.50',
  externalPort: 18_080,
  lifetimeS: 7_200,
  keep: { nonce: '00112233445566778899aabb' },
}
const OTHER: MappingGrant = {
  ...GRANT,
  protocol: 'upnp',
  externalPort: 9,
  keep: { url: 'http://x', type: 'a' },
}
/** What the journal keeps: the outer address is not needed to remove anything. */
const kept = (grant: MappingGrant): MappingGrant => ({ ...grant, externalIp: undefined })

async function homeOf(t: ExecutionContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'p2p-reach-journal-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  return home
}

/** A runtime whose calendar is this much ahead. */
function later(byMs: number): Runtime {
  const runtime = nodeRuntime()
  const clock = {
    nowMs: () => runtime.clock.nowMs(),
    wallMs: () => runtime.clock.wallMs() + byMs,
    setTimer: (delayMs: number, callback: () => void) => runtime.clock.setTimer(delayMs, callback),
  }
  return { ...runtime, clock }
}

const files = async (home: string) => (await readdir(join(home, 'port-mappings'))).sort()

/** As a process that was killed: its file is there, and nobody listens beside it. */
async function leave(home: string, grants: readonly MappingGrant[], runtime = nodeRuntime()): Promise<void> {
  const journal = new MappingJournal(home, runtime)
  await journal.record('ipv4/tcp/8080', grants)
  await journal.close()
}

async function adopted(journal: MappingJournal, isRemoved = true): Promise<readonly MappingGrant[]> {
  const grants: MappingGrant[] = []
  await journal.adopt((grant) => {
    grants.push(grant)
    return Promise.resolve(isRemoved)
  })
  return grants
}

test('nothing is written before there is something to note', async (t) => {
  const home = await homeOf(t)
  await using journal = new MappingJournal(home, nodeRuntime())
  t.deepEqual(await adopted(journal), [])
  t.deepEqual(await readdir(home), [])
})

test('what is noted is on the disk, for its owner only, and gone at the end', async (t) => {
  const home = await homeOf(t)
  const journal = new MappingJournal(home, nodeRuntime())
  await journal.record('ipv4/tcp/8080', [GRANT])
  await Promise.all([journal.record('ipv4/tcp/8080/second', [OTHER]), journal.record('x', [OTHER])])
  const [file = ''] = await files(home)
  const path = join(home, 'port-mappings', file)
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(
    parseJournal(await readFile(path, 'utf8')).map(({ grant }) => grant),
    [kept(GRANT), kept(OTHER), kept(OTHER)],
  )
  for (const key of ['ipv4/tcp/8080', 'ipv4/tcp/8080/second', 'x']) await journal.record(key, [])
  await journal.close()
  await journal.close()
  t.deepEqual(await files(home), [])
})

test('what a dead process left is handed out, once', async (t) => {
  const home = await homeOf(t)
  await leave(home, [GRANT, OTHER])
  const journal = new MappingJournal(home, nodeRuntime())
  t.deepEqual(await adopted(journal), [kept(GRANT), kept(OTHER)])
  t.deepEqual(await adopted(journal), [])
  t.deepEqual(await files(home), [])
})

test('what could not be removed is handed out again at the next start, until it has expired', async (t) => {
  const home = await homeOf(t)
  await leave(home, [GRANT])
  t.is((await adopted(new MappingJournal(home, nodeRuntime()), false)).length, 1)
  t.is((await adopted(new MappingJournal(home, later(7_100_000)), false)).length, 1)
  t.is((await adopted(new MappingJournal(home, later(7_201_000)))).length, 0)
  t.deepEqual(await files(home), [])
})

test('a permanent mapping is remembered for a month', async (t) => {
  const home = await homeOf(t)
  await leave(home, [{ ...GRANT, lifetimeS: 0 }])
  t.is((await adopted(new MappingJournal(home, later(29 * 86_400_000)), false)).length, 1)
  t.is((await adopted(new MappingJournal(home, later(31 * 86_400_000)))).length, 0)
})

test('a living process keeps what it has, and others see that it does', async (t) => {
  const home = await homeOf(t)
  const living = new MappingJournal(home, nodeRuntime())
  await living.record('ipv4/tcp/8080', [GRANT])
  const other = new MappingJournal(home, nodeRuntime())
  t.deepEqual(await adopted(other), [])
  t.true(await other.isHeldElsewhere('ipv4/tcp/8080'))
  t.false(await other.isHeldElsewhere('ipv4/udp/8080'))
  t.false(await living.isHeldElsewhere('ipv4/tcp/8080'))
  await living.close()
  t.false(await other.isHeldElsewhere('ipv4/tcp/8080'))
  t.is((await adopted(other)).length, 1)
})

test('two that start at once share what was left: each mapping is handed to one of them', async (t) => {
  const home = await homeOf(t)
  for (let count = 0; count < 8; count++) await leave(home, [{ ...GRANT, externalPort: 20_000 + count }])
  const starters = Array.from({ length: 4 }, () => new MappingJournal(home, nodeRuntime()))
  const handed = (await Promise.all(starters.map((journal) => adopted(journal)))).flat()
  const ports = handed.map(({ externalPort }) => externalPort).sort()
  t.deepEqual(
    ports,
    Array.from({ length: 8 }, (_, count) => 20_000 + count),
  )
})

test('a failing removal forgets nothing', async (t) => {
  const home = await homeOf(t)
  await leave(home, [GRANT])
  const journal = new MappingJournal(home, nodeRuntime())
  await t.throwsAsync(
    journal.adopt(() => Promise.reject(new Error('aborted'))),
    { message: 'aborted' },
  )
  t.is((await adopted(journal)).length, 1)
})

test('a damaged journal is as good as none, and foreign files are left alone', async (t) => {
  const home = await homeOf(t)
  await leave(home, [GRANT])
  const [file = ''] = await files(home)
  await writeFile(join(home, 'port-mappings', file), '{"schema":')
  await writeFile(join(home, 'port-mappings', 'notes.json'), 'mine')
  t.deepEqual(await adopted(new MappingJournal(home, nodeRuntime())), [])
  t.deepEqual(await files(home), ['notes.json'])
})

test('the format: what is written is read again; arbitrary texts are refused with a ReachError', (t) => {
  const entries = [
    { key: 'a', expiresAtMs: 1, grant: kept(GRANT) },
    { key: 'b', expiresAtMs: 2, grant: kept(OTHER) },
  ]
  t.deepEqual(parseJournal(formatJournal(entries)), entries)
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseJournal(text)
      } catch (error) {
        if (!ReachError.is(error)) throw error
      }
    }),
  )
  const text = formatJournal(entries)
  for (const broken of [
    text.replace('"pcp"', '"ftp"'),
    text.replace('192.168.1.1"', '192.168.1.300"'),
    text.replace('8080,', '808080,'),
    text.replace('/1"', '/2"'),
  ])
    t.true(ReachError.is(t.throws(() => parseJournal(broken))))
})
