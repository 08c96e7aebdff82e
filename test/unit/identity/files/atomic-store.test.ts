import test from 'ava'
import type { ExecutionContext } from 'ava'
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AtomicStore } from '../../../../lib/identity/files/atomic-store.ts'
import { rejection } from '../../../support/identity.ts'

interface Opened {
  readonly path: string
  readonly store: AtomicStore<readonly string[]>
  /** How many times the state was written down. */
  readonly writes: () => number
}

async function aStore(t: ExecutionContext, path?: string): Promise<Opened> {
  let writes = 0
  const at = path ?? join(await aFolder(t), 'state')
  const store = await AtomicStore.open<readonly string[]>({
    path: at,
    initial: [],
    format: (state) => {
      writes++
      return state.join('\n')
    },
    parse: (text) => {
      if (text.includes('\0')) throw new Error('a zero')
      return text.split('\n')
    },
  })
  return { path: at, store, writes: () => writes }
}

async function aFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'identity-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const append = (store: AtomicStore<readonly string[]>, line: string) =>
  store.commit((state) => ({ state: [...state, line], result: state.length }))

test('what is committed is in the file when the caller hears of it, and in a store that opens it', async (t) => {
  const { store, path } = await aStore(t)
  t.deepEqual(store.state, [])
  t.is(await append(store, 'one'), 0)
  t.is(await readFile(path, 'utf8'), 'one')
  t.is(await append(store, 'two'), 1)
  t.deepEqual(store.state, ['one', 'two'])
  t.deepEqual((await aStore(t, path)).store.state, ['one', 'two'])
})

test('transactions that come while the disk is busy are in order, and share a write', async (t) => {
  const { store, writes } = await aStore(t)
  const results = await Promise.all(Array.from({ length: 100 }, (_, i) => append(store, String(i))))
  t.deepEqual(
    results,
    Array.from({ length: 100 }, (_, i) => i),
  )
  t.deepEqual(
    store.state,
    Array.from({ length: 100 }, (_, i) => String(i)),
  )
  t.true(writes() <= 3, `${writes()} writes`)
})

test('before it is on the disk a change is not to be seen', async (t) => {
  const { store } = await aStore(t)
  const committing = append(store, 'one')
  t.deepEqual(store.state, [])
  await committing
  t.deepEqual(store.state, ['one'])
})

test('closing waits for what is on its way, refused or not, and nothing follows', async (t) => {
  const { store, path } = await aStore(t)
  const commits = [append(store, 'one'), append(store, 'two')]
  await store.close()
  t.is(await readFile(path, 'utf8'), 'one\ntwo')
  await Promise.all(commits)
  await t.throwsAsync(append(store, 'late'), { code: 'ERR_REACH_ABORTED' })
  t.is(await readFile(path, 'utf8'), 'one\ntwo')
  const { store: other } = await aStore(t, path)
  await rm(path)
  await mkdir(path) // no file can take its place
  const refused = t.throwsAsync(append(other, 'three'), { code: 'ERR_REACH_FILE' })
  await other.close()
  t.deepEqual(other.state, ['one', 'two'])
  await refused
})

test('a transaction that throws changes nothing, and others go on', async (t) => {
  const { store } = await aStore(t)
  const first = append(store, 'one')
  const error = new Error('no')
  t.is(
    await t.throwsAsync(
      store.commit(() => {
        throw error
      }),
    ),
    error,
  )
  await first
  await append(store, 'two')
  t.deepEqual(store.state, ['one', 'two'])
})

test('a disk that fails takes all that wait back; what comes later works', async (t) => {
  const { store, path } = await aStore(t)
  await append(store, 'before')
  await rm(path)
  await mkdir(path) // a folder in the place of the file can't be replaced, not even by root
  await writeFile(join(path, 'inside'), '')
  const failing = ['a', 'b', 'c'].map((line) => append(store, line))
  for (const committing of failing) await rejection(t, committing, 'ERR_REACH_FILE')
  t.deepEqual(store.state, ['before'])
  await rm(join(path, 'inside'))
  await rmdir(path)
  t.is(await append(store, 'after'), 1)
  t.deepEqual(store.state, ['before', 'after'])
  t.is(await readFile(path, 'utf8'), 'before\nafter')
})

test('a folder that can’t be made does, too', async (t) => {
  const folder = await aFolder(t)
  const { store } = await aStore(t, join(folder, 'file', 'state'))
  await writeFile(join(folder, 'file'), '')
  await rejection(t, append(store, 'x'), 'ERR_REACH_FILE')
  await rm(join(folder, 'file'))
  t.is(await append(store, 'y'), 0)
})

test('a damaged file is ERR_REACH_HOME_DAMAGED and stays as it is', async (t) => {
  const path = join(await aFolder(t), 'state')
  await writeFile(path, 'a\0b')
  const error = await rejection(t, aStore(t, path), 'ERR_REACH_HOME_DAMAGED', /a zero/)
  t.regex(error.hint ?? '', /backup/)
  t.is(await readFile(path, 'utf8'), 'a\0b')
})
