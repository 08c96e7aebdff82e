import { ReachError } from '../lib/index.ts'
import type { ConnectCommand } from './commands/connect.ts'
import { parseConnect } from './commands/connect.ts'
import type { DemoCommand } from './commands/demo.ts'
import { parseDemo } from './commands/demo.ts'
import type { DiagnoseCommand } from './commands/diagnose.ts'
import { parseDiagnose } from './commands/diagnose.ts'
import type { ExposeCommand } from './commands/expose.ts'
import { parseExpose } from './commands/expose.ts'
import type { IdentityCommand } from './commands/identity.ts'
import { parseIdentity } from './commands/identity.ts'
import type { InviteCommand } from './commands/invite.ts'
import { parseInvite } from './commands/invite.ts'
import type { JoinCommand } from './commands/join.ts'
import { parseJoin } from './commands/join.ts'
import type { MapCommand } from './commands/map.ts'
import { parseMap } from './commands/map.ts'
import type { PeersCommand } from './commands/peers.ts'
import { parsePeers } from './commands/peers.ts'
import type { PingCommand } from './commands/ping.ts'
import { parsePing } from './commands/ping.ts'
import type { RelaySshKeyCommand } from './commands/relay-ssh-key.ts'
import { parseRelaySshKey } from './commands/relay-ssh-key.ts'
import type { RelayStatusCommand } from './commands/relay-status.ts'
import { parseRelayStatus } from './commands/relay-status.ts'
import type { RelayUpCommand } from './commands/relay-up.ts'
import { parseRelayUp } from './commands/relay-up.ts'
import type { RenewCommand } from './commands/renew.ts'
import { parseRenew } from './commands/renew.ts'
import type { RevokeCommand } from './commands/revoke.ts'
import { parseRevoke } from './commands/revoke.ts'
import type { RootCommand } from './commands/root.ts'
import { parseRoot } from './commands/root.ts'
import type { Environment } from './settings.ts'
import { USAGE } from './usage.ts'
import { VERSION } from './version.ts'

/** What a person asked for. */
export type Command =
  | DiagnoseCommand
  | RelayUpCommand
  | RelayStatusCommand
  | RelaySshKeyCommand
  | ExposeCommand
  | ConnectCommand
  | PingCommand
  | MapCommand
  | PeersCommand
  | IdentityCommand
  | InviteCommand
  | JoinCommand
  | RenewCommand
  | RevokeCommand
  | RootCommand
  | DemoCommand
  | { readonly kind: 'print'; readonly text: string }

/** Commands that are one word, with what reads the rest. */
const NETWORK_COMMANDS = {
  expose: parseExpose,
  connect: parseConnect,
  ping: parsePing,
  map: parseMap,
  peers: parsePeers,
  identity: parseIdentity,
  invite: parseInvite,
  join: parseJoin,
  renew: parseRenew,
  revoke: parseRevoke,
  root: parseRoot,
} as const

type NetworkCommandName = keyof typeof NETWORK_COMMANDS

function isNetworkCommand(word: string): word is NetworkCommandName {
  return Object.hasOwn(NETWORK_COMMANDS, word)
}

const COMMANDS = ['diagnose', 'relay up', 'demo', ...Object.keys(NETWORK_COMMANDS)]

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
      if (!isNetworkCommand(word)) throw unknownCommand(word)
      return wantsHelp ? { kind: 'print', text: USAGE[word] } : NETWORK_COMMANDS[word](rest, env)
  }
}

function parseRelay(argv: readonly string[], wantsHelp: boolean, env: Environment): Command {
  const [word, ...rest] = argv
  if (wantsHelp) return { kind: 'print', text: USAGE[usageOfRelay(word)] }
  if (word === 'up') return parseRelayUp(rest, env)
  if (word === 'status') return parseRelayStatus(rest, env)
  if (word === 'ssh-key') return parseRelaySshKey(rest, env)
  throw new ReachError(
    'ERR_REACH_USAGE',
    word === undefined ? 'relay needs a word after it' : `unknown command "relay ${word}"`,
    {
      hint: 'p2p-reach relay up,  p2p-reach relay status  or  p2p-reach relay ssh-key',
    },
  )
}

function usageOfRelay(word: string | undefined): 'relay-up' | 'relay-status' | 'relay-ssh-key' {
  if (word === 'ssh-key') return 'relay-ssh-key'
  return word === 'status' ? 'relay-status' : 'relay-up'
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
