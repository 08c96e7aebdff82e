import { ReachError } from '../../base/errors.ts'
import { writeFileAtomically } from '../files/atomic-file.ts'
import type { ReadPrivateOptions } from '../files/read-file.ts'
import { readPrivateFile } from '../files/read-file.ts'
import type { KeyPair } from './key-pair.ts'
import { generateKeyPair, keyPairOf, privateKeyFromPem, privateKeyPem } from './key-pair.ts'

/**
 * The identity key in a file; undefined when there is none yet.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
 */
export async function readKeyFile(
  path: string,
  options: ReadPrivateOptions = {},
): Promise<KeyPair | undefined> {
  const pem = await readPrivateFile(path, options)
  return pem === undefined ? undefined : keyPairOf(privateKeyFromPem(pem, path))
}

/**
 * The same, made on first use (mode 0600). An existing key is never overwritten: when two processes make one at the same
 * time, both end up with that of the first.
 */
export async function openKeyFile(path: string, options: ReadPrivateOptions = {}): Promise<KeyPair> {
  const existing = await readKeyFile(path, options)
  if (existing !== undefined) return existing
  const made = generateKeyPair()
  try {
    await writeFileAtomically(path, privateKeyPem(made.privateKey), { isNew: true })
    return made
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_FILE_EXISTS')) throw error
    return (await readKeyFile(path, options)) ?? made
  }
}
