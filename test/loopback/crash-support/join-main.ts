/**
 * A process to be killed: joins the network of a string again and again, in one home folder.
 *
 *   node join-main.js HOME STRING
 */
import { writeSync } from 'node:fs'
import { joinNetwork } from '../../../lib/membership/join-network.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'

const [home = '', joinString = ''] = process.argv.slice(2)
/** Ours: it is killed long before. */
const MAX_ROUNDS = 1000

for (let round = 0; round < MAX_ROUNDS; round++) {
  writeSync(1, 'joining\n')
  await joinNetwork({ home, joinString, replace: true, runtime: nodeRuntime() })
  writeSync(1, 'joined\n')
}
