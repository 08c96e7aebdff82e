import type { IdentityInfo, MembershipInfo } from '../../lib/index.ts'
import { ReachError, formatSpan, openIdentity, shortPeerId } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import { renderQrCode } from '../render/qr-code.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'

const SPECS: SettingSpecs = {
  qr: { kind: 'flag', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** `p2p-reach identity`, typed. */
export interface IdentityCommand {
  readonly kind: 'identity'
  readonly home: string
  readonly qr: boolean
  readonly json: boolean
  readonly allowOpenKeyFile: boolean
}

export function parseIdentity(argv: readonly string[], env: Environment): IdentityCommand {
  const settings = readSettings('identity', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `identity takes no argument ${JSON.stringify(extra)}`, {
      hint: 'p2p-reach identity --help',
    })
  }
  return {
    kind: 'identity',
    home: settings.home,
    qr: settings.flag('qr'),
    json: settings.flag('json'),
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

/** Prints who we are. */
export async function runIdentity(
  command: IdentityCommand,
  output: Output,
  nowMs: number,
): Promise<ExitCode> {
  const { home, allowOpenKeyFile } = command
  const identity = await openIdentity(home, { allowOpenKeyFile })
  if (command.json) output.event(jsonOf(identity, home))
  else output.result(textOf(identity, nowMs))
  if (command.qr) output.result(`\n${renderQrCode(identity.peerId)}`)
  if (identity.isNew) output.say(`p2p-reach: made a new key in ${home}\n`)
  return EXIT.ok
}

function jsonOf({ peerId, membership }: IdentityInfo, home: string): Readonly<Record<string, unknown>> {
  if (membership === undefined) return { peerId, short: shortPeerId(peerId), home, network: null }
  const { domain, name, roles, relays, notBeforeMs, notAfterMs } = membership
  const validity = { notBefore: isoTime(notBeforeMs), notAfter: isoTime(notAfterMs) }
  return { peerId, short: shortPeerId(peerId), home, network: { domain, name, roles, relays, ...validity } }
}

function textOf({ peerId, membership }: IdentityInfo, nowMs: number): string {
  const lines = [`PeerId   ${peerId}`, `short    ${shortPeerId(peerId)}`]
  if (membership === undefined) lines.push('network  none; join one with  p2p-reach join STRING')
  else lines.push(...membershipLines(membership, nowMs))
  return `${lines.join('\n')}\n`
}

function membershipLines(membership: MembershipInfo, nowMs: number): readonly string[] {
  const { domain, name, roles, relays, notAfterMs } = membership
  const leftMs = notAfterMs - nowMs
  const validity =
    leftMs > 0
      ? `until ${isoTime(notAfterMs)} (${formatSpan(leftMs)} left)`
      : `expired ${formatSpan(-leftMs)} ago`
  return [
    `network  ${domain}`,
    `name     ${name}`,
    `roles    ${roles.join(', ')}`,
    `valid    ${validity}`,
    `relays   ${relays.join(', ')}`,
  ]
}

/** A calendar time to the second, in UTC. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.[0-9]+Z$/, 'Z')
}
