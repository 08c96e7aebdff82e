import { ReachError } from '../../base/errors.ts'

/** True for a system error with one of these codes. */
export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code)
}

/** ERR_REACH_FILE for what the operating system said of a file. */
export function fileError(doing: 'read' | 'write', path: string, cause: unknown): ReachError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  return new ReachError('ERR_REACH_FILE', `cannot ${doing} ${path} (${code})`, {
    cause,
    hint: HINTS[code] ?? 'check the path and its permissions',
    details: { path, code },
  })
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room',
  EROFS: 'the file system is read-only; name another folder with  --home DIR',
  EACCES: 'check who owns it, or name another folder with  --home DIR',
  ENOENT: 'check the path',
}
