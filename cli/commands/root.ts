import type { NetworkStatus } from '../../lib/index.ts'
import { ReachError, nodeRuntime, rootsOf } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { adminOf } from '../network-access.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { isoTime } from './identity.ts'

const SPECS: SettingSpecs = {
  'root-key': { kind: 'text', flagOnly: true },
  out: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
}

const ACTIONS = ['status', 'rotate', 'drop', 'reissue'] as const
type Action = (typeof ACTIONS)[number]

/** `p2p-reach root`, typed. */
export interface RootCommand {
  readonly kind: 'root'
  readonly action: Action
  /** File of the private key of the root that acts; empty for `status`. */
  readonly rootKey: string
  /** Where the new root's key goes; empty but for `rotate`. */
  readonly out: string
  readonly json: boolean
  readonly home: string
}

export function parseRoot(argv: readonly string[], env: Environment): RootCommand {
  const settings = readSettings('root', SPECS, argv, env)
  const [word = 'status', extra] = settings.positionals
  const action = ACTIONS.find((known) => known === word)
  if (action === undefined || extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `root knows no ${JSON.stringify(extra ?? word)}`, {
      hint: 'p2p-reach root status | rotate | drop | reissue',
    })
  }
  const rootKey = settings.text('root-key') ?? ''
  const out = settings.text('out') ?? ''
  if (action !== 'status' && rootKey === '')
    throw missing(action, '--root-key FILE', 'the private key of a root')
  if (action === 'rotate' && out === '')
    throw missing(action, '--out FILE', 'a file for the new root’s private key')
  return { kind: 'root', action, rootKey, out, json: settings.flag('json'), home: settings.home }
}

function missing(action: Action, flag: string, what: string): ReachError {
  return new ReachError('ERR_REACH_USAGE', `root ${action} needs ${what}`, {
    hint: `p2p-reach root ${action} ${flag}`,
  })
}

/** Shows or changes the roots of a network. */
export async function runRoot(command: RootCommand, output: Output, signal: AbortSignal): Promise<ExitCode> {
  const admin = adminOf(command.home, nodeRuntime(), signal)
  const status = await perform(command, admin)
  if (command.json) output.event(jsonOf(status))
  else output.result(textOf(status))
  const next = nextStep(command)
  if (!command.json && next !== undefined) output.say(`\n${next}\n`)
  return EXIT.ok
}

function perform(
  { action, rootKey, out }: RootCommand,
  admin: ReturnType<typeof adminOf>,
): Promise<NetworkStatus> {
  switch (action) {
    case 'status':
      return admin.status()
    case 'rotate':
      return admin.rotateRoot(rootKey, out)
    case 'drop':
      return admin.dropOtherRoots(rootKey)
    case 'reissue':
      return admin.replaceIssuer(rootKey)
  }
}

function nextStep({ action, out }: RootCommand): string | undefined {
  if (action === 'rotate') {
    return `Keep ${out} offline. When all members trust the new root:\n  p2p-reach root drop --root-key ${out}`
  }
  if (action === 'reissue')
    return 'What the old issuing CA signed is refused from now on; members renew by themselves.'
  return undefined
}

/** Who counts: members whose certificate has not ended and who were not shut out. */
function followers(status: NetworkStatus, spkiSha256: string): string {
  const living = status.members.filter(({ isRevoked, role }) => !isRevoked && role !== 'relay')
  const trusting = living.filter(({ roots }) => roots.includes(spkiSha256))
  return `${trusting.length} of ${living.length}`
}

function jsonOf(status: NetworkStatus): Readonly<Record<string, unknown>> {
  const roots = rootsOf(status).map((root) => ({
    spkiSha256: root.spkiSha256,
    subject: root.subject,
    notAfter: isoTime(root.notAfterMs),
    trustedBy: status.members
      .filter(({ roots: trusted }) => trusted.includes(root.spkiSha256))
      .map(({ name }) => name),
  }))
  return { domain: status.domain, roots }
}

function textOf(status: NetworkStatus): string {
  const lines = rootsOf(status).flatMap((root) => [
    root.subject,
    `  SHA-256     ${root.spkiSha256}`,
    `  valid       until ${isoTime(root.notAfterMs)}`,
    `  trusted by  ${followers(status, root.spkiSha256)} members`,
  ])
  return `${lines.join('\n')}\n`
}
