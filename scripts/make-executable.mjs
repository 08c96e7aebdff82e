/** Marks the built CLI as executable, on systems that know such a mark; `npx p2p-reach` needs it. */
import { chmodSync } from 'node:fs'

for (const file of process.argv.slice(2)) chmodSync(file, 0o755)
