import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join, sep } from 'node:path'
import { ReachError } from '../../base/errors.ts'
import { fileError, isCode } from './file-error.ts'

/** Owner only: keys, and whatever says whom we trust. */
export const PRIVATE_FILE_MODE = 0o600
const PRIVATE_FOLDER_MODE = 0o700

/** How a file is written. */
export interface WriteFileOptions {
  /** Default {@link PRIVATE_FILE_MODE}. */
  readonly mode?: number
  /** When the file is there already, leave it and fail with ERR_REACH_FILE_EXISTS. Default: replace it. */
  readonly isNew?: boolean
}

/**
 * Writes a file so that a crash at any moment, of the process or the machine, leaves the old content or the new, whole:
 * written beside, flushed to the disk, renamed, and the folder flushed. Resolves when it is on the disk. The folder is
 * made if need be, for its owner only.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_FILE_EXISTS
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  options: WriteFileOptions = {},
): Promise<void> {
  const folder = dirname(path)
  // A name of its own for each write: two processes never write into the same temporary file.
  const temporary = join(folder, `.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE })
    await writeAndFlush(temporary, content, options.mode ?? PRIVATE_FILE_MODE)
    if (options.isNew === true) await linkNew(temporary, path)
    else await rename(temporary, path)
    await flushFolder(folder)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined) // the first error is the one to tell
    throw ReachError.is(error) ? error : fileError('write', path, error)
  }
}

/** True when the file or folder is there. @throws {ReachError} ERR_REACH_FILE when that can't be found out */
export async function fileExists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return false
    throw fileError('read', path, error)
  }
}

/**
 * Removes what writes that were killed left in a folder. Only for whoever is the only one to write there.
 * @throws {ReachError} ERR_REACH_FILE
 */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  try {
    const names = await readdir(folder)
    const left = names.filter((name) => TEMPORARY_NAME.test(name))
    await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })))
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw fileError('write', folder, error)
  }
}

/** Temporary files of {@link writeFileAtomically}, and folders that are built beside their place. */
const TEMPORARY_NAME = /^\.(?:[a-z]+-)?[0-9a-f]{12}\.tmp$/

/** Makes a rename or a new name in the folder survive a crash of the machine. */
export async function flushFolder(folder: string): Promise<void> {
  if (sep === '\\') return // Windows can't open folders; NTFS journals renames
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeAndFlush(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const handle = await open(path, 'wx', mode)
  try {
    await handle.writeFile(content)
    await handle.chmod(mode) // a umask may have taken bits away
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Unlike rename, link never replaces. */
async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
    throw new ReachError('ERR_REACH_FILE_EXISTS', `${path} exists already`, {
      cause: error,
      hint: 'move it away first; it is not overwritten',
      details: { path },
    })
  } finally {
    await rm(temporary, { force: true })
  }
}
