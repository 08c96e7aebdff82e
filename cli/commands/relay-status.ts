import type { MemberStatus, NetworkStatus } from '../../lib/index.ts'
import { ReachError, formatSpan, nodeRuntime, rootsOf, shortPeerId } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { adminOf } from '../network-access.ts'
import type { Output } from '../output.ts'
import { tableOf } from '../render/table.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { isoTime } from './identity.ts'

const SPECS: SettingSpecs = { json: { kind: 'flag', flagOnly: true } }

/** `p2p-reach relay status`, typed. */
export interface RelayStatusCommand {
  readonly kind: 'relay-status'
  readonly json: boolean
  readonly home: string
}

export function parseRelayStatus(argv: readonly string[], env: Environment): RelayStatusCommand {
  const settings = readSettings('relay-status', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `relay status takes no argument ${JSON.stringify(extra)}`, {
      hint: 'p2p-reach relay status --help',
    })
  }
  return { kind: 'relay-status', json: settings.flag('json'), home: settings.home }
}

/** Prints the network and its members. */
export async function runRelayStatus(
  command: RelayStatusCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const runtime = nodeRuntime()
  const status = await adminOf(command.home, runtime, signal).status()
  if (command.json) output.event(jsonOf(status))
  else output.result(textOf(status, runtime.clock.wallMs()))
  return EXIT.ok
}

function jsonOf(status: NetworkStatus): Readonly<Record<string, unknown>> {
  const { domain, denyListNumber, openTokens, sshHostKey = null } = status
  const members = status.members.map(({ peerId, name, role, isConnected, isRevoked, notAfterMs }) => ({
    ...{ peerId, name, role, connected: isConnected, revoked: isRevoked, notAfter: isoTime(notAfterMs) },
  }))
  return {
    domain,
    roots: rootsOf(status).map(({ spkiSha256 }) => spkiSha256),
    denyListNumber,
    openTokens,
    sshHostKey,
    members,
  }
}

function textOf(status: NetworkStatus, nowMs: number): string {
  const { domain, denyListNumber, openTokens, sshHostKey, members } = status
  const head = [
    `network      ${domain}`,
    `roots        ${rootsOf(status)
      .map(({ subject }) => subject)
      .join('; ')}`,
    `deny list    ${denyListNumber === 0 ? 'empty' : `number ${denyListNumber}`}`,
    `invitations  ${openTokens} open`,
    ...(sshHostKey === undefined ? [] : [`SSH host key ${sshHostKey}`]),
    '',
  ]
  const rows = members.map((member) => rowOf(member, nowMs))
  return `${[...head, ...tableOf([HEAD, ...rows])].join('\n')}\n`
}

const HEAD = ['NAME', 'ROLE', 'KEY', 'STATE', 'CERTIFICATE']

function rowOf(
  { name, role, peerId, isConnected, isRevoked, notAfterMs }: MemberStatus,
  nowMs: number,
): readonly string[] {
  const leftMs = notAfterMs - nowMs
  const certificate = leftMs > 0 ? `${formatSpan(leftMs)} left` : `expired ${formatSpan(-leftMs)} ago`
  const state = isRevoked ? 'revoked' : isConnected ? 'connected' : 'away'
  return [name, role, shortPeerId(peerId), state, isRevoked ? '' : certificate]
}
