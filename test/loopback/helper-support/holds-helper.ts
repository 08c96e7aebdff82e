import { deferred } from '../../../lib/base/deferred.ts'
import { startHelper } from '../../../lib/net/helper-program.ts'

/* A process of its own that holds a helper, and prints the helper's pid; whoever started it kills it. */

const pid = deferred<string>()
await startHelper(['/bin/sh', '-c', 'echo $$ >&2; exec sleep 60'], pid.resolve)
process.stdout.write(`${await pid.promise}\n`)
setTimeout(() => undefined, 60_000)
