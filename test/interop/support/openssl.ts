import { spawnSync } from 'node:child_process'
import type { ExecutionContext } from 'ava'

const isThere = spawnSync('openssl', ['version']).status === 0

/** Whether openssl can judge here; logs the reason for the skip when it can't. */
export function hasOpenssl(t: ExecutionContext): boolean {
  if (isThere) return true
  t.log('skipped: there is no openssl')
  t.pass()
  return false
}
