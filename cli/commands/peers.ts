import { proxyEnvironment } from '../network-access.ts'
import type { PeerNetwork, PredictedOutcome, PresentPeer } from '../../lib/index.ts'
import { Peer, ReachError, formatSpan, predictPair } from '../../lib/index.ts'
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

/** A member, and what to expect of its network and ours. */
interface ExpectedPeer extends PresentPeer {
  /** Undefined where one of the two says nothing of its network. */
  readonly prediction: PredictedOutcome | undefined
}

/** Lists who can be reached now, and how. */
export async function runPeers(
  { home, json, allowOpenKeyFile }: PeersCommand,
  output: Output,
  nowMs: number,
  signal: AbortSignal,
): Promise<ExitCode> {
  await using peer = await Peer.open({ home, env: proxyEnvironment(), allowOpenKeyFile })
  const found = await peer.peers(signal)
  const isTold = found.some(({ nat }) => nat !== undefined)
  const own = isTold ? await peer.ownNetwork(signal) : undefined
  const peers = found.map((each) => expected(each, own))
  if (json) {
    output.event({ peers: peers.map(jsonOf) })
  } else if (peers.length === 0) {
    output.say('p2p-reach: nobody exposes anything now\n')
  } else {
    const width = Math.max(...peers.map(({ name = '' }) => name.length))
    output.result(peers.map((each) => `${lineOf(each, width, nowMs)}\n`).join(''))
  }
  return EXIT.ok
}

function expected(peer: PresentPeer, own: PeerNetwork | undefined): ExpectedPeer {
  const { nat } = peer
  const isKnown = own !== undefined && nat !== undefined
  return { ...peer, prediction: isKnown ? predictPair(own, nat) : undefined }
}

function jsonOf({ peerId, name, sinceMs, nat, prediction }: ExpectedPeer): Readonly<Record<string, unknown>> {
  return { name: name ?? null, peerId, sinceMs, nat: nat ?? null, prediction: prediction ?? null }
}

function lineOf(
  { name = '', peerId, sinceMs, prediction }: ExpectedPeer,
  width: number,
  nowMs: number,
): string {
  const since = `for ${formatSpan(Math.max(0, nowMs - sinceMs))}`
  const what = prediction === undefined ? '' : `  ${RESULTS[prediction.result]}: ${prediction.why}`
  return `${name.padEnd(width)}  ${peerId}  ${since}${what}`
}

const RESULTS: Readonly<Record<PredictedOutcome['result'], string>> = {
  direct: 'direct likely',
  'direct-birthday': 'direct likely, after a search',
  relay: 'relay',
}
