#!/usr/bin/env node
import { setMaxListeners } from 'node:events'
import { ReachError } from '../lib/index.ts'
import { unreachable } from '../lib/base/exhaustive.ts'
import type { Command } from './command.ts'
import { parseCommand } from './command.ts'
import { runConnect } from './commands/connect.ts'
import { runDemo } from './commands/demo.ts'
import { runDiagnose } from './commands/diagnose.ts'
import { runExpose } from './commands/expose.ts'
import { runIdentity } from './commands/identity.ts'
import { runInvite } from './commands/invite.ts'
import { runJoin } from './commands/join.ts'
import { runMap } from './commands/map.ts'
import { runPeers } from './commands/peers.ts'
import { runPing } from './commands/ping.ts'
import { runRelaySshKey } from './commands/relay-ssh-key.ts'
import { runRelayStatus } from './commands/relay-status.ts'
import { runRenew } from './commands/renew.ts'
import { runRevoke } from './commands/revoke.ts'
import { runRoot } from './commands/root.ts'
import { runRelayUp } from './commands/relay-up.ts'
import type { ExitCode } from './exit-codes.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { errorLines, processOutput } from './output.ts'
import type { Output } from './output.ts'

/** Only this file touches signals and the exit code. */
async function main(): Promise<void> {
  const output = processOutput(process.env)
  const interruption = new AbortController()
  setMaxListeners(0, interruption.signal) // each connection that is being made listens to it
  // Ctrl-C once closes cleanly, twice ends at once.
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (interruption.signal.aborted) process.exit(EXIT.interrupted)
      interruption.abort(new ReachError('ERR_REACH_ABORTED', 'interrupted'))
    })
  }
  // A reader that went away (`| head`) is no error worth a stack trace.
  process.stdout.on('error', () => process.exit(EXIT.failed))
  try {
    const command = parseCommand(process.argv.slice(2), process.env)
    process.exitCode = await run(command, output, interruption.signal)
  } catch (error) {
    process.exitCode = exitCodeOf(error)
    if (!ReachError.is(error, 'ERR_REACH_ABORTED')) output.say(errorLines(error))
    if (!ReachError.is(error) && process.env.P2P_REACH_DEBUG !== undefined) console.error(error)
  }
  // Whatever a probe left open must not keep a person waiting; what was written is flushed first.
  process.stdout.write('', () => process.exit())
}

function run(command: Command, output: Output, signal: AbortSignal): Promise<ExitCode> {
  switch (command.kind) {
    case 'print':
      output.result(command.text)
      return Promise.resolve(EXIT.ok)
    case 'diagnose':
      return runDiagnose(command, process.env, output, signal)
    case 'relay-up':
      return runRelayUp(command, output, signal)
    case 'relay-ssh-key':
      return runRelaySshKey(command, process.stdin, output, signal)
    case 'relay-status':
      return runRelayStatus(command, output, signal)
    case 'expose':
      return runExpose(command, output, signal)
    case 'connect':
      return runConnect(command, process.stdin, process.stdout, output, signal)
    case 'ping':
      return runPing(command, output, signal)
    case 'map':
      return runMap(command, output, signal)
    case 'peers':
      return runPeers(command, output, Date.now(), signal)
    case 'identity':
      return runIdentity(command, output, Date.now())
    case 'invite':
      return runInvite(command, output, signal)
    case 'join':
      return runJoin(command, process.stdin, output, signal)
    case 'renew':
      return runRenew(command, output, signal)
    case 'revoke':
      return runRevoke(command, output, signal)
    case 'root':
      return runRoot(command, output, signal)
    case 'demo':
      return runDemo(command, output, signal)
    default:
      return unreachable(command)
  }
}

await main()
