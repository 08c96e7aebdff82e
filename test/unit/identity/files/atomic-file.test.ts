import test from 'ava'
import type { ExecutionContext } from 'ava'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileExists, writeFileAtomically } from '../../../../lib/identity/files/atomic-file.ts'
import { readPrivateFile, readTextFile } from '../../../../lib/identity/files/read-file.ts'
import { rejection } from '../../../support/identity.ts'

async function aFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'identity-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

test('a new file is its owner’s alone, and so are the folders made for it; nothing else is left', async (t) => {
  const folder = await aFolder(t)
  const path = join(folder, 'a', 'b', 'file')
  await writeFileAtomically(path, 'content')
  t.is(await readFile(path, 'utf8'), 'content')
  t.is(await modeOf(path), '600')
  t.is(await modeOf(join(folder, 'a')), '700')
  t.deepEqual(await readdir(join(folder, 'a', 'b')), ['file'])
})

test('a mode that is asked for is given, whatever the umask', async (t) => {
  const path = join(await aFolder(t), 'file')
  await writeFileAtomically(path, 'x', { mode: 0o666 })
  t.is(await modeOf(path), '666')
})

test('an existing file is replaced, its mode with it', async (t) => {
  const path = join(await aFolder(t), 'file')
  await writeFile(path, 'old', { mode: 0o644 })
  await writeFileAtomically(path, Uint8Array.of(110, 101, 119))
  t.is(await readFile(path, 'utf8'), 'new')
  t.is(await modeOf(path), '600')
})

test('who holds the old file open goes on reading the old content: it is never written into', async (t) => {
  const folder = await aFolder(t)
  const path = join(folder, 'file')
  await writeFile(path, 'old')
  const { ino } = await stat(path)
  await writeFileAtomically(path, 'new')
  t.not((await stat(path)).ino, ino)
})

test('isNew leaves an existing file alone: ERR_REACH_FILE_EXISTS, and nothing is left behind', async (t) => {
  const folder = await aFolder(t)
  const path = join(folder, 'file')
  await writeFileAtomically(path, 'first', { isNew: true })
  await rejection(t, writeFileAtomically(path, 'second', { isNew: true }), 'ERR_REACH_FILE_EXISTS')
  t.is(await readFile(path, 'utf8'), 'first')
  t.deepEqual(await readdir(folder), ['file'])
})

test('of many that write at once one wins, whole; with isNew the others are told', async (t) => {
  const folder = await aFolder(t)
  const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000))
  await Promise.all(contents.map((content) => writeFileAtomically(join(folder, 'any'), content)))
  t.true(contents.includes(await readFile(join(folder, 'any'), 'utf8')))
  const results = await Promise.allSettled(
    contents.map((content) => writeFileAtomically(join(folder, 'new'), content, { isNew: true })),
  )
  t.is(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.deepEqual((await readdir(folder)).toSorted(), ['any', 'new'])
})

test('where nothing can be written: ERR_REACH_FILE with the system’s code, and nothing is left behind', async (t) => {
  const folder = await aFolder(t)
  await writeFile(join(folder, 'file'), 'x')
  await mkdir(join(folder, 'full'))
  await writeFile(join(folder, 'full', 'inside'), 'x')
  const below = await rejection(t, writeFileAtomically(join(folder, 'file', 'below'), 'y'), 'ERR_REACH_FILE')
  t.regex(String(below.details['code']), /^(ENOTDIR|EEXIST)$/)
  const over = await rejection(t, writeFileAtomically(join(folder, 'full'), 'y'), 'ERR_REACH_FILE')
  t.regex(String(over.details['code']), /^(EISDIR|ENOTEMPTY|EEXIST|ENOTDIR)$/)
  t.truthy(over.hint)
  t.deepEqual((await readdir(folder)).toSorted(), ['file', 'full'])
})

test('a file that is not there is undefined; one that can’t be read is ERR_REACH_FILE', async (t) => {
  const folder = await aFolder(t)
  await writeFile(join(folder, 'file'), 'ä')
  t.is(await readTextFile(join(folder, 'file')), 'ä')
  t.is(await readTextFile(join(folder, 'none')), undefined)
  t.is(await readTextFile(join(folder, 'file', 'below')), undefined)
  await rejection(t, readTextFile(folder), 'ERR_REACH_FILE')
  t.true(await fileExists(folder))
  t.false(await fileExists(join(folder, 'none')))
  t.false(await fileExists(join(folder, 'file', 'below')))
  await symlink('loop', join(folder, 'loop'))
  await rejection(t, fileExists(join(folder, 'loop')), 'ERR_REACH_FILE')
})

for (const mode of [0o640, 0o604, 0o620, 0o601, 0o666]) {
  test(`a private file with mode ${mode.toString(8)} is refused unless that is asked for`, async (t) => {
    if (process.platform === 'win32') {
      t.log('skipped: Windows has no such modes')
      return t.pass()
    }
    const path = join(await aFolder(t), 'key')
    await writeFile(path, 'secret')
    await chmod(path, mode)
    const error = await rejection(t, readPrivateFile(path), 'ERR_REACH_KEY_FILE_OPEN')
    t.is(error.details['mode'], `0${mode.toString(8)}`)
    t.regex(error.hint ?? '', /chmod 600 .*--allow-open-key-file/)
    t.is(await readPrivateFile(path, { allowOpenPermissions: true }), 'secret')
    await chmod(path, 0o600)
    t.is(await readPrivateFile(path), 'secret')
  })
}
