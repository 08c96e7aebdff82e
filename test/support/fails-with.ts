import type { ExecutionContext } from 'ava'
import type { ErrorCode } from '../../lib/base/errors.ts'
import { ReachError } from '../../lib/base/errors.ts'

/** A ReachError of that code, with that in its message and a hint what to do. */
export async function failsWith(
  t: ExecutionContext,
  promise: Promise<unknown>,
  code: ErrorCode,
  text = /./,
): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!ReachError.is(error)) {
    t.fail(`no ReachError but ${String(error)}`)
    return
  }
  t.is(error.code, code, error.message)
  t.regex(error.message, text)
  t.truthy(error.hint, `${code} has no hint`)
}
