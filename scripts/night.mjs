/**
 * The tests with far more arbitrary inputs: at least 100,000 for each parser and machine that is fuzzed, 2,000 kills of
 * processes, and 200 seeds for each pair of NATs. Takes an hour or more; meant for the night.
 *
 *   node scripts/night.mjs [TIER...]
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './run-command.mjs'

const tiers = process.argv.slice(2)
const args = [join(ROOT, 'scripts', 'test.mjs'), ...(tiers.length > 0 ? tiers : ['unit', 'sim', 'loopback'])]
const env = {
  P2P_REACH_FUZZ_RUNS: '100000',
  P2P_REACH_KILLS: '2000',
  P2P_REACH_PUNCH_SEEDS: '200',
  P2P_REACH_TEST_TIMEOUT: '2h',
  ...process.env,
}
const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit' })
process.exitCode = await new Promise((settle) => child.on('close', settle))
