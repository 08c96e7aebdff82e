import { ReachError, nodeRuntime, shortPeerId } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { adminOf } from '../network-access.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'

const SPECS: SettingSpecs = {
  reason: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
}

/** `p2p-reach revoke`, typed. */
export interface RevokeCommand {
  readonly kind: 'revoke'
  /** Name or PeerId. */
  readonly peer: string
  readonly reason: string
  readonly json: boolean
  readonly home: string
}

export function parseRevoke(argv: readonly string[], env: Environment): RevokeCommand {
  const settings = readSettings('revoke', SPECS, argv, env)
  const [peer, extra] = settings.positionals
  if (peer === undefined || extra !== undefined) {
    throw new ReachError(
      'ERR_REACH_USAGE',
      peer === undefined ? 'revoke needs a name or a PeerId' : 'revoke takes one name or PeerId',
      {
        hint: 'p2p-reach revoke alice',
      },
    )
  }
  return {
    kind: 'revoke',
    peer,
    reason: settings.text('reason') ?? '',
    json: settings.flag('json'),
    home: settings.home,
  }
}

/** Shuts a member out. */
export async function runRevoke(
  command: RevokeCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const result = await adminOf(command.home, nodeRuntime(), signal).revoke(command.peer, command.reason)
  const { peerId, name, denyListNumber, told } = result
  if (command.json) output.event({ peerId, name, denyListNumber, told })
  else {
    const who = name === '' ? shortPeerId(peerId) : `${name} (${shortPeerId(peerId)})`
    output.result(`revoked ${who}\n`)
    output.say(`deny list ${denyListNumber} went to ${told} connected ${told === 1 ? 'member' : 'members'}\n`)
  }
  return EXIT.ok
}
