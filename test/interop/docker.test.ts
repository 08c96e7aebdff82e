import { spawn } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '../architecture/source-tree.ts'

/** What the script ends with when this machine lacks something. */
const EXIT_CANNOT_HERE = 77
const TIMEOUT_MS = 300_000

test('the Dockerfile builds, and its relay is healthy, stops cleanly and keeps its network', async (t) => {
  t.timeout(TIMEOUT_MS)
  const child = spawn(process.execPath, [join(REPOSITORY, 'scripts', 'run-dockerfile.mjs')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill())
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  const code = await new Promise((settle) => child.on('close', settle))
  for (const line of output.trim().split('\n')) t.log(line)
  if (code === EXIT_CANNOT_HERE) return t.pass()
  t.is(code, 0)
  t.regex(output, /^the second relay on the volume has the same network: /m)
  t.regex(output, /^all well, /m)
})
