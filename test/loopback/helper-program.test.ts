import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { startHelper } from '../../lib/net/helper-program.ts'
import { failsWith } from '../support/fails-with.ts'

const HOLDER = fileURLToPath(new URL('helper-support/holds-helper.js', import.meta.url))

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('says line by line what a program prints on stderr, and with which code it ended', async (t) => {
  const said: string[] = []
  const program = await startHelper(['/bin/sh', '-c', 'echo one >&2; echo two >&2; exit 3'], (line) =>
    said.push(line),
  )
  t.is(await program.ended, 3)
  t.deepEqual(said, ['one', 'two'])
})

test('a program that is stopped has no exit code', async (t) => {
  const program = await startHelper(['sleep', '60'], () => undefined)
  program.stop()
  t.is(await program.ended, undefined)
})

test('a program that is not there is named', async (t) => {
  const starting = startHelper(['no-such-program', '-x'], () => undefined)
  await failsWith(t, starting, 'ERR_REACH_SOCKET', /cannot run no-such-program \(ENOENT\)/)
})

test('regression: a program ends with a process that is killed', async (t) => {
  const holder = spawn(process.execPath, [HOLDER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: holder.stdout }), 'line')) as [string]
  const pid = Number(line)
  t.true(isAlive(pid))
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  while (isAlive(pid)) await sleep(20)
  t.pass()
})
