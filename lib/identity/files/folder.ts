import { readdir, rm } from 'node:fs/promises'
import { fileError, isCode } from './file-error.ts'

/** The names in a folder; none when it is not there. @throws {ReachError} ERR_REACH_FILE */
export async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw fileError('read', path, error)
  }
}

/** Removes a file; one that is gone already counts as removed. @throws {ReachError} ERR_REACH_FILE */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (error) {
    throw fileError('write', path, error)
  }
}
