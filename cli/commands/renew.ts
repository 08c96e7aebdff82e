import type { MembershipEvent } from '../../lib/index.ts'
import { Membership, ReachError, formatSpan, keepMembership, nodeRuntime } from '../../lib/index.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import { waysOf } from '../network-access.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { isoTime } from './identity.ts'

const SPECS: SettingSpecs = {
  stay: { kind: 'flag', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** `p2p-reach renew`, typed. */
export interface RenewCommand {
  readonly kind: 'renew'
  readonly stay: boolean
  readonly json: boolean
  readonly home: string
  readonly allowOpenKeyFile: boolean
}

export function parseRenew(argv: readonly string[], env: Environment): RenewCommand {
  const settings = readSettings('renew', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `renew takes no argument ${JSON.stringify(extra)}`, {
      hint: 'p2p-reach renew --help',
    })
  }
  return {
    kind: 'renew',
    stay: settings.flag('stay'),
    json: settings.flag('json'),
    home: settings.home,
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

/** Renews once, or keeps the membership until interrupted. */
export async function runRenew(
  command: RenewCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const runtime = nodeRuntime()
  const { home, allowOpenKeyFile } = command
  const membership = await Membership.open({ home, runtime, dialer: waysOf(home, runtime), allowOpenKeyFile })
  if (command.stay) return stay(membership, command, output, signal)
  await membership.renew(signal)
  const { name, domain, certificate } = membership
  if (command.json) output.event({ name, domain, notAfter: isoTime(certificate.notAfterMs) })
  else output.result(`renewed ${name} in ${domain} until ${isoTime(certificate.notAfterMs)}\n`)
  return EXIT.ok
}

async function stay(
  membership: Membership,
  command: RenewCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const onEvent = (event: MembershipEvent) => {
    if (command.json) output.event(jsonOf(event))
    else output.say(`p2p-reach: ${textOf(event)}\n`)
  }
  try {
    return await keepMembership(membership, { runtime: nodeRuntime(), signal, onEvent })
  } catch (error) {
    if (!signal.aborted) throw error
    if (command.json) output.event({ event: 'closed', reason: 'interrupted' })
    return EXIT.ok
  }
}

function jsonOf(event: MembershipEvent): Readonly<Record<string, unknown>> {
  switch (event.kind) {
    case 'connected':
      return { event: 'ready', relay: event.relay }
    case 'disconnected':
    case 'renewal-failed': {
      const { code, message, hint = null } = event.error
      return { event: 'error', code, message, hint }
    }
    case 'renewed':
      return { event: 'renewed', notAfter: isoTime(event.notAfterMs) }
    case 'deny-list':
      return { event: 'deny-list', number: event.number, keys: event.keys }
    case 'root-set':
      return { event: 'root-set', number: event.number, roots: event.roots }
    default:
      return unreachable(event)
  }
}

function textOf(event: MembershipEvent): string {
  switch (event.kind) {
    case 'connected':
      return `connected to ${event.relay}`
    case 'disconnected':
      return `${event.error.message}; again in ${formatSpan(event.retryInMs)}`
    case 'renewal-failed':
      return `could not renew: ${event.error.message}`
    case 'renewed':
      return `renewed until ${isoTime(event.notAfterMs)}`
    case 'deny-list':
      return `deny list ${event.number}: ${event.keys} keys are refused`
    case 'root-set':
      return `root set ${event.number}: ${event.roots} roots are trusted`
    default:
      return unreachable(event)
  }
}
