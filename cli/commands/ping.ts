import type { PathState, PeerSession, Pong } from '../../lib/index.ts'
import { ReachError, parsePeer } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { pathText, peerTalk, whyLines } from './peer-talk.ts'
import type { PeerSettings } from './peer-settings.ts'
import { PEER_SPECS, openPeer, readPeerSettings } from './peer-settings.ts'

const SPECS: SettingSpecs = {
  count: { kind: 'text', flagOnly: true },
  interval: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
  ...PEER_SPECS,
}

/** `p2p-reach ping`, typed. */
export interface PingCommand extends PeerSettings {
  readonly kind: 'ping'
  readonly peer: string
  /** Infinity: until interrupted. */
  readonly count: number
  readonly intervalMs: number
  readonly json: boolean
}

export function parsePing(argv: readonly string[], env: Environment): PingCommand {
  const settings = readSettings('ping', SPECS, argv, env)
  const [peer, extra] = settings.positionals
  if (peer === undefined || extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', 'ping needs one peer', { hint: 'p2p-reach ping alice' })
  }
  return {
    kind: 'ping',
    peer: parsePeer(peer),
    count: numberOf(settings.text('count'), 'count', Infinity),
    intervalMs: 1000 * numberOf(settings.text('interval'), 'interval', 1),
    json: settings.flag('json'),
    ...readPeerSettings(settings),
  }
}

function numberOf(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new ReachError('ERR_REACH_USAGE', `--${name} takes a number above 0, not ${JSON.stringify(text)}`, {
    hint: `p2p-reach ping alice --${name} 3`,
  })
}

/** Pings until the count is reached or it is interrupted, and sums up. */
export async function runPing(command: PingCommand, output: Output, signal: AbortSignal): Promise<ExitCode> {
  const { peer: name, count, intervalMs, json } = command
  await using peer = await openPeer(command, json ? peerTalk(output, json) : () => undefined)
  const rtts: number[] = []
  let via: string | undefined
  try {
    for await (const pong of peer.session(name).ping({ count, intervalMs, signal })) {
      rtts.push(pong.rttMs)
      if (json) output.event(jsonOf(name, pong))
      else output.result(`${textOf(name, pong, via)}\n`)
      via = viaOf(pong.path)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
  if (!json && rtts.length > 0) {
    output.result(`${summaryOf(rtts)}\n`)
    output.result(pathLines(peer.session(name)).join(''))
  }
  if (json) output.event({ event: 'closed', reason: signal.aborted ? 'interrupted' : 'done' })
  return rtts.length > 0 ? EXIT.ok : EXIT.interrupted
}

/** What stands between us and a direct path, if something does. */
function pathLines({ currentPaths, direct }: PeerSession): readonly string[] {
  const kind = currentPaths[0]?.kind
  if ((kind !== 'relay' && kind !== 'ssh') || direct === undefined) return []
  if (direct.state === 'trying') return ['a direct path is still being looked for\n']
  return whyLines(direct).map((line) => `${line}\n`)
}

function textOf(name: string, { number, rttMs, path }: Pong, before: string | undefined): string {
  const time = `${rttMs.toFixed(rttMs < 10 ? 2 : 1)} ms`
  const now = viaOf(path)
  const change = before !== undefined && now !== before ? '  (another path)' : ''
  const carrier = path === undefined ? '' : ` by ${pathText({ ...path, rttMs: undefined })}`
  return `${name}: ${number}  ${time}${carrier}${change}`
}

function jsonOf(name: string, { number, rttMs, path }: Pong): Readonly<Record<string, unknown>> {
  return { event: 'pong', peer: name, number, rttMs, kind: path?.kind ?? null, via: path?.via ?? null }
}

function viaOf(path: PathState | undefined): string | undefined {
  return path === undefined ? undefined : `${path.kind} ${path.via}`
}

function summaryOf(rtts: readonly number[]): string {
  const sorted = [...rtts].sort((a, b) => a - b)
  const at = (part: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1)
  return `${rtts.length} answers: fastest ${at(0)} ms, median ${at(0.5)} ms, slowest ${at(1)} ms`
}
