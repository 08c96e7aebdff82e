import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How many of some objects are still there after a collection of garbage. Those of the turn that made the references are. */
export async function living(refs: readonly WeakRef<object>[]): Promise<number> {
  setFlagsFromString('--expose-gc')
  await setImmediate() // what a turn has made a reference to, it keeps
  runInNewContext('gc()')
  return refs.filter((ref) => ref.deref() !== undefined).length
}
