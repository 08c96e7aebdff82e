import type { PresentPeer } from '../../lib/index.ts'
import { Peer, ReachError, formatSpan } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'

const SPECS: SettingSpecs = {
  json: { kind: 'flag', flagOnly: true },
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** `p2p-reach peers`, typed. */
export interface PeersCommand {
  readonly kind: 'peers'
  readonly json: boolean
  readonly home: string
  readonly allowOpenKeyFile: boolean
}

export function parsePeers(argv: readonly string[], env: Environment): PeersCommand {
  const settings = readSettings('peers', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `peers takes no argument ${JSON.stringify(extra)}`, {
      hint: 'p2p-reach peers --help',
    })
  }
  return {
    kind: 'peers',
    json: settings.flag('json'),
    home: settings.home,
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

/** Lists who can be reached now. */
export async function runPeers(
  { home, json, allowOpenKeyFile }: PeersCommand,
  output: Output,
  nowMs: number,
  signal: AbortSignal,
): Promise<ExitCode> {
  await using peer = await Peer.open({ home, allowOpenKeyFile })
  const peers = await peer.peers(signal)
  if (json) {
    output.event({
      peers: peers.map(({ peerId, name, sinceMs }) => ({ name: name ?? null, peerId, sinceMs })),
    })
  } else if (peers.length === 0) {
    output.say('p2p-reach: nobody exposes anything now\n')
  } else {
    const width = Math.max(...peers.map(({ name = '' }) => name.length))
    output.result(peers.map((found) => `${lineOf(found, width, nowMs)}\n`).join(''))
  }
  return EXIT.ok
}

function lineOf({ name = '', peerId, sinceMs }: PresentPeer, width: number, nowMs: number): string {
  return `${name.padEnd(width)}  ${peerId}  for ${formatSpan(Math.max(0, nowMs - sinceMs))}`
}
