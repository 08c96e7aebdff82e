import { ReachError } from '../lib/index.ts'
import type { DemoCommand } from './commands/demo.ts'
import { parseDemo } from './commands/demo.ts'
import type { DiagnoseCommand } from './commands/diagnose.ts'
import { parseDiagnose } from './commands/diagnose.ts'
import type { RelayUpCommand } from './commands/relay-up.ts'
import { parseRelayUp } from './commands/relay-up.ts'
import type { Environment } from './settings.ts'
import { USAGE } from './usage.ts'
import { VERSION } from './version.ts'

/** What a person asked for. */
export type Command =
  DiagnoseCommand | RelayUpCommand | DemoCommand | { readonly kind: 'print'; readonly text: string }

const COMMANDS = ['diagnose', 'relay up', 'demo'] as const

/**
 * Reads the command line.
 * @throws {ReachError} ERR_REACH_USAGE, ERR_REACH_CONFIG, ERR_REACH_ADDRESS
 */
export function parseCommand(argv: readonly string[], env: Environment): Command {
  const [word, ...rest] = argv
  const wantsHelp = rest.includes('--help') || rest.includes('-h')
  switch (word) {
    case undefined:
      throw new ReachError('ERR_REACH_USAGE', 'no command given', {
        hint: 'p2p-reach diagnose  or  p2p-reach --help',
      })
    case '--help':
    case '-h':
    case 'help':
      return { kind: 'print', text: USAGE.main }
    case '--version':
    case '-v':
      return { kind: 'print', text: `${VERSION}\n` }
    case 'diagnose':
      return wantsHelp ? { kind: 'print', text: USAGE.diagnose } : parseDiagnose(rest, env)
    case 'relay':
      return parseRelay(rest, wantsHelp, env)
    case 'demo':
      return wantsHelp ? { kind: 'print', text: USAGE.demo } : parseDemo(rest, env)
    default:
      throw unknownCommand(word)
  }
}

function parseRelay(argv: readonly string[], wantsHelp: boolean, env: Environment): Command {
  const [word, ...rest] = argv
  if (wantsHelp) return { kind: 'print', text: USAGE['relay-up'] }
  if (word === 'up') return parseRelayUp(rest, env)
  throw new ReachError(
    'ERR_REACH_USAGE',
    word === undefined ? 'relay needs a word after it' : `unknown command "relay ${word}"`,
    {
      hint: 'p2p-reach relay up',
    },
  )
}

function unknownCommand(word: string): ReachError {
  // "--relay" is a flag in the wrong place, and no typo of "relay".
  const isFlag = word.startsWith('-')
  const close = isFlag ? undefined : COMMANDS.find((name) => distance(name.split(' ')[0] ?? name, word) <= 2)
  const hint =
    close === undefined ? 'p2p-reach --help lists the commands' : `did you mean  p2p-reach ${close}`
  return new ReachError('ERR_REACH_USAGE', `unknown command ${JSON.stringify(word)}`, { hint })
}

/** Levenshtein's distance: letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
