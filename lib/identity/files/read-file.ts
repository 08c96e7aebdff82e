import { readFile, stat } from 'node:fs/promises'
import { sep } from 'node:path'
import { ReachError } from '../../base/errors.ts'
import { fileError, isCode } from './file-error.ts'

/** Ours: no file of a home folder comes near it; protects memory from a wrong path. */
const MAX_FILE_LENGTH = 64 * 1024 * 1024
/** Anything for the group or others. */
const OPEN_TO_OTHERS = 0o077

/** A file as text; undefined when it is not there. @throws {ReachError} ERR_REACH_FILE */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE_LENGTH) throw new ReachError('ERR_REACH_FILE', `${path} is too large: ${size} bytes`)
    return await readFile(path, 'utf8')
  } catch (error) {
    if (ReachError.is(error)) throw error
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw fileError('read', path, error)
  }
}

/** How a private file is read. */
export interface ReadPrivateOptions {
  /** Read it although others can. Default: refuse. */
  readonly allowOpenPermissions?: boolean
  /** Whether the error may name the flag that forces; CA keys have none. Default true. */
  readonly canForce?: boolean
}

/**
 * The same for a file with secrets. One that others may read is refused: whoever read it can be us.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_KEY_FILE_OPEN
 */
export async function readPrivateFile(
  path: string,
  options: ReadPrivateOptions = {},
): Promise<string | undefined> {
  const text = await readTextFile(path)
  if (text === undefined || options.allowOpenPermissions === true || sep === '\\') return text
  const { mode } = await stat(path)
  if ((mode & OPEN_TO_OTHERS) === 0) return text
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  throw new ReachError(
    'ERR_REACH_KEY_FILE_OPEN',
    `others can read or write the private key in ${path} (mode ${octal})`,
    {
      hint: `chmod 600 ${path}${options.canForce === false ? '' : '  or, if you know why,  --allow-open-key-file'}`,
      details: { path, mode: octal },
    },
  )
}
