import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { connectLocal, listenLocal } from '../../../lib/net/local-socket.ts'

function pathOf(t: ExecutionContext, name = 'held.sock'): string {
  const folder = mkdtempSync(join(tmpdir(), 'local-socket-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, name)
}

test('one listens, a second is told so, and closing gives the name back', async (t) => {
  const path = pathOf(t)
  const server = await listenLocal(path, (socket) => socket.end('hello'))
  t.is(statSync(path).mode & 0o777, 0o600)
  const error = await t.throwsAsync(listenLocal(path, () => undefined))
  t.true(ReachError.is(error, 'ERR_REACH_ADDRESS_IN_USE'))
  const socket = await connectLocal(path)
  if (socket === undefined) return t.fail('nobody listens')
  const heard: unknown[] = await once(socket, 'data')
  t.is(String(heard[0]), 'hello')
  await server.close()
  t.false(existsSync(path))
  t.is(await connectLocal(path), undefined)
  await (await listenLocal(path, () => undefined)).close()
})

test('what a killed process left is taken over', async (t) => {
  const path = pathOf(t)
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  t.true(existsSync(path))
  t.is(await connectLocal(path), undefined)
  const server = await listenLocal(path, () => undefined)
  t.teardown(() => server.close())
  t.not(await connectLocal(path), undefined)
})

test('of twenty that come at the same time, exactly one gets it, fresh or left behind', async (t) => {
  const path = pathOf(t)
  for (let round = 0; round < 5; round++) {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => listenLocal(path, () => undefined)),
    )
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    t.is(won.length, 1)
    t.not(await connectLocal(path), undefined)
    for (const server of won) await server.close()
  }
})

test('a path that is too long for the kernel works on Linux all the same', async (t) => {
  if (process.platform !== 'linux') {
    t.log('skipped: only Linux can')
    return t.pass()
  }
  const path = pathOf(t, join('x'.repeat(120), 'held.sock'))
  t.is(await connectLocal(path), undefined)
  const server = await listenLocal(path, () => undefined)
  t.teardown(() => server.close())
  t.not(await connectLocal(path), undefined)
})
