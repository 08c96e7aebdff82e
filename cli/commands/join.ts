import type { JoinResult } from '../../lib/index.ts'
import { ReachError, formatSpan, joinNetwork, nodeRuntime } from '../../lib/index.ts'
import { proxyEnvironment } from '../network-access.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { isoTime } from './identity.ts'

const SPECS: SettingSpecs = {
  replace: { kind: 'flag', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** Ours: a clock that is off by more than this is worth a word. */
const NOTABLE_SKEW_MS = 30_000
/** Ours: a join string has under 400 letters. */
const MAX_INPUT_LENGTH = 4096

/** `p2p-reach join`, typed. */
export interface JoinCommand {
  readonly kind: 'join'
  /** `-`: it comes on standard input, where no list of processes shows it. */
  readonly joinString: string
  readonly replace: boolean
  readonly json: boolean
  readonly home: string
  readonly homeArgument: string
  readonly allowOpenKeyFile: boolean
}

export function parseJoin(argv: readonly string[], env: Environment): JoinCommand {
  const settings = readSettings('join', SPECS, argv, env)
  const [joinString, extra] = settings.positionals
  if (joinString === undefined || extra !== undefined) {
    const message =
      joinString === undefined
        ? 'join needs the string that  p2p-reach invite  printed'
        : 'join takes one string'
    throw new ReachError('ERR_REACH_USAGE', message, {
      hint: 'p2p-reach join STRING  or, to paste it unseen,  p2p-reach join -',
    })
  }
  return {
    kind: 'join',
    joinString,
    replace: settings.flag('replace'),
    json: settings.flag('json'),
    home: settings.home,
    homeArgument: settings.homeArgument,
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

/** Joins, and says as whom. */
export async function runJoin(
  command: JoinCommand,
  input: AsyncIterable<unknown>,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { home, replace, allowOpenKeyFile } = command
  const joinString = command.joinString === '-' ? await firstLine(input) : command.joinString
  const runtime = nodeRuntime()
  const result = await joinNetwork({
    home,
    joinString,
    replace,
    allowOpenKeyFile,
    runtime,
    env: proxyEnvironment(),
    signal,
  })
  if (command.json) {
    const { peerId, name, roles, domain, relays, notAfterMs, clockSkewMs } = result
    output.event({ peerId, name, roles, domain, relays, notAfter: isoTime(notAfterMs), clockSkewMs })
    return EXIT.ok
  }
  output.result(`joined ${result.domain} as ${result.name}\n`)
  output.say(advice(result, command))
  return EXIT.ok
}

function advice(
  { peerId, notAfterMs, clockSkewMs }: JoinResult,
  { home, homeArgument }: JoinCommand,
): string {
  const side = clockSkewMs < 0 ? 'behind' : 'ahead of'
  const skew = `p2p-reach: this computer’s clock is ${formatSpan(Math.abs(clockSkewMs))} ${side} the relay’s\n`
  return [
    `  PeerId       ${peerId}\n`,
    `  certificate  until ${isoTime(notAfterMs)}, kept in ${home}\n`,
    ...(Math.abs(clockSkewMs) > NOTABLE_SKEW_MS ? [skew] : []),
    `\nKeep it renewed, and hear at once whom the network shuts out:\n  p2p-reach renew --stay${homeArgument}\n`,
  ].join('')
}

async function firstLine(input: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += String(chunk)
    if (text.includes('\n') || text.length > MAX_INPUT_LENGTH) break
  }
  return text.split('\n')[0] ?? ''
}
