import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { start } from '../support/process.ts'
import { accepts, freePort } from '../support/relay-programs.ts'

/** The program as it is shipped: `npm run build` makes it. */
export const CLI = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

const run = promisify(execFile)

/** A network of our own: a relay's home, and two members with theirs. */
export interface OwnNetwork {
  readonly port: number
  /** What node runs the relay with. */
  readonly relayArguments: readonly string[]
  readonly servingName: string
  readonly servingHome: string
  readonly diallingHome: string
}

/** Makes the network in a folder, with the commands that anybody would use. Nothing of it runs afterwards. */
export async function makeNetwork(folder: string): Promise<OwnNetwork> {
  const [port, stunPort] = [await freePort(), await freePort()]
  const home = join(folder, 'relay')
  const [listen, stun] = [`127.0.0.1:${port}`, `127.0.0.1:${stunPort}`]
  const relayArguments = [CLI, 'relay', 'up', '--home', home, '--listen', listen, '--stun', stun]
  await using relay = start(undefined, process.execPath, relayArguments, { stderr: 'ignore' })
  relay.child.stdout?.resume()
  await accepts(port)
  const enrol = async (name: string): Promise<string> => {
    const memberHome = join(folder, name)
    const invited = await run(process.execPath, [CLI, 'invite', name, '--home', home, '--json'])
    await run(process.execPath, [CLI, 'join', joinStringIn(invited.stdout), '--home', memberHome, '--json'])
    return memberHome
  }
  const servingName = 'alice'
  return {
    port,
    relayArguments,
    servingName,
    servingHome: await enrol(servingName),
    diallingHome: await enrol('bob'),
  }
}

function joinStringIn(json: string): string {
  const value: unknown = JSON.parse(json)
  const found: unknown =
    typeof value === 'object' && value !== null ? Reflect.get(value, 'joinString') : undefined
  if (typeof found !== 'string') throw new Error('invite gave no string')
  return found
}
