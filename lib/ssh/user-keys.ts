import type { ParsedKey } from 'ssh2'
import { ReachError } from '../base/errors.ts'
import { readPrivateFile, readTextFile } from '../identity/files/read-file.ts'
import { sshSurroundings } from '../net/ssh-surroundings.ts'
import type { SshServerSetup } from './ssh-options.ts'

/** A way to log in. */
export type LoginKey =
  | { readonly kind: 'agent'; readonly socket: string }
  | { readonly kind: 'file'; readonly path: string; readonly text: string }

/** The ways to log in, in the order in which they are tried, and what can't be used, for people. */
export interface LoginKeys {
  readonly keys: readonly LoginKey[]
  readonly passedOver: readonly string[]
}

/** Reads a private key; an Error for one with a passphrase, or none at all. */
export type ParseKey = (text: string) => ParsedKey | Error

/**
 * The agent, then the key files. Of those that ssh tries by itself, ones that can't be used are passed over; ones that
 * were named must be usable.
 * @throws {ReachError} ERR_REACH_SSH_AUTH for files that were named
 */
export async function loginKeys({ identityFiles }: SshServerSetup, parse: ParseKey): Promise<LoginKeys> {
  const { agent, identityFiles: defaults } = sshSurroundings()
  const keys: LoginKey[] = agent === undefined ? [] : [{ kind: 'agent', socket: agent }]
  const passedOver: string[] = []
  for (const path of identityFiles ?? defaults) {
    const outcome = await readKey(path, parse)
    if (typeof outcome !== 'string') keys.push(...outcome)
    else if (identityFiles === undefined) passedOver.push(`${path}: ${outcome}`)
    else throw unusable(path, outcome)
  }
  return { keys, passedOver }
}

/** Texts of those files of known hosts that are there. @throws {ReachError} ERR_REACH_FILE */
export async function knownHostsTexts({ knownHostsFiles }: SshServerSetup): Promise<readonly string[]> {
  const files = knownHostsFiles ?? sshSurroundings().knownHostsFiles
  const texts = await Promise.all(files.map((path) => readTextFile(path)))
  return texts.flatMap((text) => text ?? [])
}

/** The key; none where there is no file and none has to be; or why it can't be used. */
async function readKey(path: string, parse: ParseKey): Promise<readonly LoginKey[] | string> {
  try {
    const text = await readPrivateFile(path, { canForce: false })
    if (text === undefined) return []
    const key = parse(text)
    if (key instanceof Error)
      return /encrypted|passphrase/i.test(key.message) ? 'it has a passphrase' : 'it is no private key'
    return key.isPrivateKey() ? [{ kind: 'file', path, text }] : 'it is a public key'
  } catch (error) {
    if (ReachError.is(error)) return error.message
    throw error
  }
}

function unusable(path: string, why: string): ReachError {
  return new ReachError('ERR_REACH_SSH_AUTH', `cannot log in with the key file ${path}: ${why}`, {
    hint: 'name a private key of OpenSSH without a passphrase, or load it into an agent:  ssh-add',
    details: { path },
  })
}
