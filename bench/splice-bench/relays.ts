import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { splice } from '../../lib/net/splice.ts'
import { listenTcp } from '../../lib/net/tcp-server.ts'
import { start } from '../support/process.ts'
import { accepts, freePort, haproxyCommand, isProgram, nginxCommand } from '../support/relay-programs.ts'

export const RELAY_KINDS = ['splice', 'haproxy', 'nginx', 'direct'] as const
export type RelayKind = (typeof RELAY_KINDS)[number]

/** A relay that listens on `port` and hands everything on to the port it was given. */
export interface Relay extends AsyncDisposable {
  readonly port: number
  readonly pid: number
}

const RELAY_CORE = 1

/** True when the relay's program is there. */
export function isInstalled(kind: RelayKind): boolean {
  if (kind === 'splice' || kind === 'direct') return true
  return isProgram(kind)
}

/** Starts a relay to `targetPort` and waits until it accepts. */
export async function openRelay(kind: RelayKind, targetPort: number, script: string): Promise<Relay> {
  if (kind === 'direct') {
    return { port: targetPort, pid: process.pid, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'splice-bench-'))
  const [program, ...args] = command(kind, port, targetPort, script, folder)
  const started = start(RELAY_CORE, program, args)
  await accepts(port)
  return {
    port,
    pid: started.child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

function command(
  kind: Exclude<RelayKind, 'direct'>,
  port: number,
  targetPort: number,
  script: string,
  folder: string,
): [string, ...string[]] {
  switch (kind) {
    case 'splice':
      return [process.execPath, script, 'serve', `${targetPort}`, `${port}`]
    case 'haproxy':
      return haproxyCommand(port, targetPort, folder)
    case 'nginx':
      return nginxCommand(port, targetPort, folder)
  }
}

/** Our relay: accepts, dials the target, splices. Runs until it is ended. */
export async function serveSplice(targetPort: number, port: number): Promise<void> {
  await listenTcp({ ip: '127.0.0.1', port, allowHalfOpen: true }, (a) => {
    const options = { host: '127.0.0.1', port: targetPort, noDelay: true, allowHalfOpen: true }
    const b = connect(options, () => void splice(a, b))
    b.on('error', () => a.destroy())
  })
}
