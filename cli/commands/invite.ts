import type { InviteResult, Role } from '../../lib/index.ts'
import { ReachError, formatSpan, nodeRuntime, parsePeerName, parseRole } from '../../lib/index.ts'
import { parseDuration } from '../duration.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { adminOf } from '../network-access.ts'
import type { Output } from '../output.ts'
import { renderQrCode } from '../render/qr-code.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { isoTime } from './identity.ts'

const SPECS: SettingSpecs = {
  role: { kind: 'text', flagOnly: true },
  uses: { kind: 'text', flagOnly: true },
  expires: { kind: 'text', flagOnly: true },
  ssh: { kind: 'list', flagOnly: true },
  qr: { kind: 'flag', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
}

const DEFAULT_EXPIRY = '1h'

/** `p2p-reach invite`, typed. */
export interface InviteCommand {
  readonly kind: 'invite'
  readonly name: string
  readonly role: Role
  readonly uses: number
  readonly expiresInMs: number
  /** SSH servers that the string names, with their host keys. */
  readonly ssh: readonly string[]
  readonly qr: boolean
  readonly json: boolean
  readonly home: string
}

export function parseInvite(argv: readonly string[], env: Environment): InviteCommand {
  const settings = readSettings('invite', SPECS, argv, env)
  const [name, extra] = settings.positionals
  if (name === undefined || extra !== undefined) {
    const message =
      name === undefined
        ? 'invite needs the name of who shall join'
        : `invite takes one name, not also ${JSON.stringify(extra)}`
    throw new ReachError('ERR_REACH_USAGE', message, { hint: 'p2p-reach invite alice' })
  }
  return {
    kind: 'invite',
    name: parsePeerName(name),
    role: parseRole(settings.text('role') ?? 'peer'),
    uses: parseUses(settings.text('uses') ?? '1'),
    expiresInMs: parseDuration(settings.text('expires') ?? DEFAULT_EXPIRY, 'expires'),
    ssh: settings.list('ssh'),
    qr: settings.flag('qr'),
    json: settings.flag('json'),
    home: settings.home,
  }
}

function parseUses(text: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(text)) return Number(text)
  throw new ReachError('ERR_REACH_USAGE', `--uses ${JSON.stringify(text)} is no number of uses`, {
    hint: 'write --uses 5',
  })
}

/** Makes a join string and prints it: it alone on stdout. */
export async function runInvite(
  command: InviteCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { name, role, uses, expiresInMs, ssh } = command
  const admin = adminOf(command.home, nodeRuntime(), signal)
  const result = await admin.invite({ name, role, uses, expiresInMs }, ssh)
  if (command.json) {
    const { joinString, tokenId, expiresAtMs } = result
    output.event({ joinString, tokenId, name, role, uses, expiresAt: isoTime(expiresAtMs) })
    return EXIT.ok
  }
  output.result(`${result.joinString}\n`)
  if (command.qr) output.say(`\n${renderQrCode(result.joinString)}`)
  output.say(explanation(command, result))
  return EXIT.ok
}

function explanation({ name, role, uses, expiresInMs }: InviteCommand, { joinString }: InviteResult): string {
  const who = uses === 1 ? `${name} joins` : `up to ${uses} (${name}-1, ${name}-2, …) join`
  const as = role === 'peer' ? '' : ` as ${role}`
  return [
    `\nWith this, ${who}${as} within ${formatSpan(expiresInMs)}:`,
    `  p2p-reach join ${joinString}`,
    'It is a secret until it is used. Anybody who has it first can join in its place.\n',
  ].join('\n')
}
