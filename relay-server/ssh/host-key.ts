import { join } from 'node:path'
import { ReachError } from '../../lib/base/errors.ts'
import { writeFileAtomically } from '../../lib/identity/files/atomic-file.ts'
import { damaged } from '../../lib/identity/files/atomic-store.ts'
import { readPrivateFile } from '../../lib/identity/files/read-file.ts'
import { hostKeyFingerprint } from '../../lib/protocol/ssh/host-key.ts'

/** By what SSH clients know the relay. */
export interface HostKey {
  /** As OpenSSH writes private keys. */
  readonly privateKey: string
  /** `SHA256:…` */
  readonly fingerprint: string
}

/** The name that OpenSSH's own server has for such a file, so that its tools are at home. */
const FILE_NAME = 'ssh_host_ed25519_key'
/** One key in 256 has to be made again. */
const MAX_TRIES = 32

/**
 * The host key in a home folder, made on first use (Ed25519, mode 0600). It is no member's key: whoever steals it can
 * play the relay to SSH clients, and to nobody else.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_KEY_FILE_OPEN, ERR_REACH_HOME_DAMAGED
 */
export async function openHostKey(home: string): Promise<HostKey> {
  const existing = await readHostKey(home)
  if (existing !== undefined) return existing
  const made = await makeHostKey()
  try {
    await writeFileAtomically(join(home, FILE_NAME), made, { isNew: true })
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_FILE_EXISTS')) throw error
  }
  return (await readHostKey(home)) ?? parseHostKey(made, home)
}

/** The same, if there is one. */
export async function readHostKey(home: string): Promise<HostKey | undefined> {
  const path = join(home, FILE_NAME)
  const text = await readPrivateFile(path, { canForce: false })
  return text === undefined ? undefined : parseHostKey(text, path)
}

/**
 * A new private key, as OpenSSH writes it. ssh2 1.17 drops a leading zero byte of the public key (one key in 256), and
 * then cannot read its own text, so such a one is thrown away.
 */
export async function makeHostKey(): Promise<string> {
  const { utils } = (await import('ssh2')).default
  for (let count = 0; count < MAX_TRIES; count++) {
    const made = utils.generateKeyPairSync('ed25519', { comment: 'p2p-reach relay' }).private
    if (!(utils.parseKey(made) instanceof Error)) return made
  }
  throw new Error('ssh2 makes no Ed25519 key that it can read')
}

async function parseHostKey(text: string, path: string): Promise<HostKey> {
  const { utils } = (await import('ssh2')).default
  const key = utils.parseKey(text)
  if (key instanceof Error) throw damaged(path, key)
  if (!key.isPrivateKey() || key.type !== 'ssh-ed25519')
    throw damaged(path, new Error('it is no private key of the type ssh-ed25519'))
  return { privateKey: text, fingerprint: hostKeyFingerprint(key.getPublicSSH()) }
}
