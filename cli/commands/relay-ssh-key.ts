import { readFile } from 'node:fs/promises'
import type { SshKeyList, SshKeyStatus, SshKeyUse } from '../../lib/index.ts'
import { ReachError, nodeRuntime, parsePeerName, parseSshKeyUse } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { adminOf } from '../network-access.ts'
import type { Output } from '../output.ts'
import { tableOf } from '../render/table.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { isoTime } from './identity.ts'

const SPECS: SettingSpecs = {
  name: { kind: 'text', flagOnly: true },
  allow: { kind: 'list', flagOnly: true },
  only: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
}

/** `p2p-reach relay ssh-key`, typed. */
export interface RelaySshKeyCommand {
  readonly kind: 'relay-ssh-key'
  readonly action:
    | {
        readonly kind: 'add'
        readonly file: string | undefined
        readonly name: string
        readonly use: SshKeyUse
        readonly allow: readonly string[] | undefined
      }
    | { readonly kind: 'list' }
    | { readonly kind: 'revoke'; readonly key: string }
  readonly json: boolean
  readonly home: string
}

export function parseRelaySshKey(argv: readonly string[], env: Environment): RelaySshKeyCommand {
  const settings = readSettings('relay-ssh-key', SPECS, argv, env)
  const [word, argument, extra] = settings.positionals
  if (extra !== undefined)
    throw usage(`relay ssh-key ${word ?? ''} takes no argument ${JSON.stringify(extra)}`)
  const rest = { kind: 'relay-ssh-key', json: settings.flag('json'), home: settings.home } as const
  switch (word) {
    case 'add': {
      const name = settings.text('name')
      if (name === undefined)
        throw usage('relay ssh-key add needs the name that the key shall have:  --name NAME')
      const allow = settings
        .list('allow')
        .flatMap((text) => text.split(','))
        .map(parsePeerName)
      const use = parseSshKeyUse(settings.text('only') ?? 'both')
      const about = { name: parsePeerName(name), use, allow: allow.length === 0 ? undefined : allow }
      return { ...rest, action: { kind: 'add', file: argument, ...about } }
    }
    case 'list':
      if (argument !== undefined) throw usage('relay ssh-key list takes no argument')
      return { ...rest, action: { kind: 'list' } }
    case 'revoke':
      if (argument === undefined) throw usage('relay ssh-key revoke needs a name or a fingerprint')
      return { ...rest, action: { kind: 'revoke', key: argument } }
    default:
      throw usage(
        word === undefined
          ? 'relay ssh-key needs a word after it'
          : `unknown command "relay ssh-key ${word}"`,
      )
  }
}

/** Lets an SSH client in, shuts one out, or prints who is in. */
export async function runRelaySshKey(
  { action, home, json }: RelaySshKeyCommand,
  input: AsyncIterable<unknown>,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const admin = adminOf(home, nodeRuntime(), signal)
  switch (action.kind) {
    case 'add': {
      const { file, name, use, allow } = action
      const publicKey = file === undefined ? await textOf(input) : await readFileOf(file)
      const key = await admin.addSshKey({ publicKey, name, use, allow })
      if (json) output.event(jsonOf(key))
      else output.result(`${key.name} may log in with ${key.fingerprint}\n`)
      return EXIT.ok
    }
    case 'list': {
      const list = await admin.sshKeys()
      if (json) output.event({ hostKey: list.hostKey ?? null, keys: list.keys.map(jsonOf) })
      else output.result(listText(list))
      return EXIT.ok
    }
    case 'revoke': {
      const key = await admin.revokeSshKey(action.key)
      if (json) output.event(jsonOf(key))
      else output.result(`revoked ${key.name} (${key.fingerprint})\n`)
      return EXIT.ok
    }
  }
}

function jsonOf(key: SshKeyStatus): Readonly<Record<string, unknown>> {
  const { name, type, fingerprint, use, allow, addedAtMs, isRevoked, connections, exposed } = key
  return {
    ...{ name, type, fingerprint, use, allow: allow ?? null, addedAt: isoTime(addedAtMs) },
    ...{ revoked: isRevoked, connections, exposed },
  }
}

function listText({ hostKey, keys }: SshKeyList): string {
  const rows = keys.map(({ name, fingerprint, use, allow, isRevoked, connections, exposed }) => [
    name,
    isRevoked ? 'revoked' : connections > 0 ? 'connected' : 'away',
    use,
    allow?.join(',') ?? 'all',
    exposed.join(' '),
    fingerprint,
  ])
  const all = tableOf([['NAME', 'STATE', 'MAY', 'LETS IN', 'EXPOSES', 'KEY'], ...rows])
  return `${[`host key  ${hostKey ?? 'made when the relay starts'}`, '', ...all].join('\n')}\n`
}

/** Ours: far above any public key; who pipes something else in is told so at once. */
const MAX_LENGTH = 16_384

async function textOf(input: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += String(chunk)
    if (text.length > MAX_LENGTH) throw tooLong()
  }
  return text
}

async function readFileOf(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8')
    if (text.length > MAX_LENGTH) throw tooLong()
    return text
  } catch (error) {
    if (ReachError.is(error)) throw error
    throw new ReachError('ERR_REACH_FILE', `cannot read ${path}`, { cause: error, hint: 'check the path' })
  }
}

function tooLong(): ReachError {
  return new ReachError('ERR_REACH_SSH_KEY', 'that is too long for a public key', {
    hint: 'give it one file that ends in .pub',
  })
}

function usage(message: string): ReachError {
  return new ReachError('ERR_REACH_USAGE', message, { hint: 'p2p-reach relay ssh-key --help' })
}
