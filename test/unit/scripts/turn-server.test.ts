import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { REPOSITORY } from '../../architecture/source-tree.ts'

/** Scripts have no types, so a process of its own serves. */
async function serveTurns(t: ExecutionContext, most: number): Promise<number> {
  const url = pathToFileURL(join(REPOSITORY, 'scripts', 'turn-server.mjs')).href
  const code = `
    const { serveTurns } = await import(process.argv[1])
    console.log(await serveTurns(${most}))
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code, url])
  t.teardown(() => child.kill())
  const line = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve))
  return Number(line.toString())
}

/** Asks for a turn; it is noted when it begins. */
async function ask(t: ExecutionContext, port: number, weight: number, begun: number[]): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.on('data', () => begun.push(weight))
  socket.write(Uint8Array.of(weight))
  return socket
}

/** Until so many have begun. */
async function begins(begun: readonly number[], count: number): Promise<void> {
  while (begun.length < count) await new Promise((resolve) => setImmediate(resolve))
}

test('what fits begins at once; what comes after something heavy waits for it, though it would fit', async (t) => {
  const port = await serveTurns(t, 4)
  const begun: number[] = []
  const first = await ask(t, port, 2, begun)
  await begins(begun, 1)
  const heavy = await ask(t, port, 4, begun)
  const light = await ask(t, port, 1, begun)
  first.destroy()
  await begins(begun, 2)
  heavy.destroy()
  await begins(begun, 3)
  t.deepEqual(begun, [2, 4, 1])
  await ask(t, port, 9, begun) // more than there is: alone
  light.destroy()
  await begins(begun, 4)
})

test('who gives up while it waits takes nothing, and keeps nobody waiting', async (t) => {
  const port = await serveTurns(t, 2)
  const begun: number[] = []
  const first = await ask(t, port, 2, begun)
  await begins(begun, 1)
  const impatient = await ask(t, port, 2, begun)
  await ask(t, port, 1, begun)
  impatient.destroy()
  first.destroy()
  await begins(begun, 2)
  t.deepEqual(begun, [2, 1])
})
