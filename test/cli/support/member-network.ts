import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { freePortPair } from '../../loopback/relay-support/relay.ts'
import { RunningProgram } from '../../netns/support/running-program.ts'
import { folderOf, run, start } from './command-line.ts'

/** A relay, and three who have joined its network; all of it ends with the test. */
export interface MemberNetwork {
  /** Where the relay, alice, bob and carol have their folders. */
  readonly folder: string
  /** As paths name it. */
  readonly via: string
}

/** Made by the command line, as a person makes it. */
export async function aNetwork(t: ExecutionContext): Promise<MemberNetwork> {
  const folder = folderOf(t)
  const home = join(folder, 'relay')
  const via = `127.0.0.1:${await freePortPair(['127.0.0.1'])}`
  const stun = `127.0.0.1:${await freePortPair(['127.0.0.1'])}`
  const relay = new RunningProgram(
    start(['relay', 'up', '--json', '--home', home, '--listen', via, '--stun', stun]),
  )
  t.teardown(() => relay.stop('SIGKILL'))
  await relay.waitForLine(/"event":"ready"/)
  for (const name of ['alice', 'bob', 'carol']) {
    const { stdout } = await run(['invite', name, '--home', home])
    const { code, stderr } = await run(['join', stdout.trim(), '--home', join(folder, name)])
    t.is(code, 0, stderr)
  }
  return { folder, via }
}
