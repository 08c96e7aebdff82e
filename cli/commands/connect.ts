import type { Readable, Writable } from 'node:stream'
import type { ForwardTarget, Peer, SessionStream } from '../../lib/index.ts'
import { ReachError, forwardTo, parseForwardTarget, parseServiceAddress } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { noUdp, parseIdle, udpTarget } from '../udp-target.ts'
import { forwardTalk, peerTalk, untilInterrupted } from './peer-talk.ts'
import type { PeerSettings } from './peer-settings.ts'
import { PEER_SPECS, openPeer, readPeerSettings } from './peer-settings.ts'

const SPECS: SettingSpecs = {
  udp: { kind: 'flag', flagOnly: true },
  idle: { kind: 'text' },
  json: { kind: 'flag', flagOnly: true },
  quiet: { kind: 'flag', flagOnly: true },
  ...PEER_SPECS,
}

/** `p2p-reach connect`, typed. */
export interface ConnectCommand extends PeerSettings {
  readonly kind: 'connect'
  /** `PEER/SERVICE`. */
  readonly address: string
  /** Where to listen; undefined for standard input and output. */
  readonly listen: ForwardTarget | undefined
  /** How long flows of UDP may be silent; undefined: the library's default. */
  readonly idleMs: number | undefined
  readonly json: boolean
  readonly quiet: boolean
}

export function parseConnect(argv: readonly string[], env: Environment): ConnectCommand {
  const settings = readSettings('connect', SPECS, argv, env)
  const [address, where, extra] = settings.positionals
  if (address === undefined || extra !== undefined) {
    throw new ReachError(
      'ERR_REACH_USAGE',
      address === undefined
        ? 'connect needs PEER/SERVICE'
        : `connect takes no argument ${JSON.stringify(extra)}`,
      { hint: 'p2p-reach connect alice/web 8080' },
    )
  }
  const { peer, service } = parseServiceAddress(address)
  const listen = where === '-' ? undefined : parseListen(where, settings.flag('udp'))
  if (where === '-' && settings.flag('udp')) throw noUdp('standard input')
  const json = settings.flag('json')
  if (json && listen === undefined) {
    throw new ReachError(
      'ERR_REACH_USAGE',
      'standard output carries the stream: there is no room for --json',
      {
        hint: 'leave out --json, or name a port to listen on',
      },
    )
  }
  return {
    kind: 'connect',
    address: `${peer}/${service}`,
    listen,
    idleMs: parseIdle(settings.text('idle')),
    json,
    quiet: settings.flag('quiet'),
    ...readPeerSettings(settings),
  }
}

/** A port of ours that the system picks, when nothing is said. */
function parseListen(text: string | undefined, isUdp: boolean): ForwardTarget {
  const isAny = text === undefined || text === '0'
  const read: ForwardTarget = isAny ? ANY_PORT : parseForwardTarget(text)
  return isUdp ? udpTarget(read) : read
}

const ANY_PORT: ForwardTarget = { kind: 'tcp', endpoint: { host: '127.0.0.1', port: 0 } }

/** Listens until interrupted; or carries standard input and output until both have ended. */
export async function runConnect(
  command: ConnectCommand,
  stdin: Readable,
  stdout: Writable,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { json, quiet, address, listen, idleMs } = command
  const isSilent = quiet || listen === undefined
  const onEvent = isSilent ? () => undefined : peerTalk(output, json)
  await using peer = await openPeer(command, onEvent)
  if (listen === undefined) {
    const stream = await peer.connect(address, { signal })
    await carryStdio(stream, stdin, stdout, signal)
    return EXIT.ok
  }
  await using forwarding = await forwardTo(peer, address, listen, {
    signal,
    onEvent: forwardTalk(output, json),
    ...(idleMs === undefined ? {} : { idleMs }),
  })
  const { local } = forwarding
  const transport = listen.kind
  if (json) output.event({ event: 'ready', service: address, local, transport, peerId: peer.peerId })
  else output.say(`p2p-reach: ${transport === 'udp' ? 'udp ' : ''}${local} leads to ${address}\n`)
  // Dialled at once, so that a mistake shows now and not with the first connection.
  await warm(peer, address, output, json, signal)
  await untilInterrupted(peer, output, json, signal)
  return EXIT.ok
}

/** @throws {ReachError} what waiting can't mend; the rest is told, and tried again with each connection */
async function warm(
  peer: Peer,
  address: string,
  output: Output,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  try {
    await peer.session(parseServiceAddress(address).peer).open(signal)
  } catch (error) {
    if (signal.aborted || !ReachError.is(error)) return
    if (error.code.startsWith('ERR_REACH_TRUST_') || error.code === 'ERR_REACH_PEER_UNKNOWN') throw error
    forwardTalk(output, json)({ kind: 'failed', error })
  }
}

/** Both directions to their ends. Standard input that ends ends our direction; the peer's goes on. */
async function carryStdio(
  stream: SessionStream,
  stdin: Readable,
  stdout: Writable,
  signal: AbortSignal,
): Promise<void> {
  const onAbort = () => stream.destroy(new ReachError('ERR_REACH_ABORTED', 'interrupted'))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    await new Promise<void>((resolve, reject) => {
      stream.once('error', reject)
      stream.once('end', resolve)
      stdout.once('error', reject)
      stdin.pipe(stream)
      stream.pipe(stdout, { end: false })
    })
    stdin.unpipe(stream)
    if (!stream.writableEnded) stream.end()
    await new Promise<void>((resolve) => stdout.write('', () => resolve()))
  } finally {
    signal.removeEventListener('abort', onAbort)
    stdin.unpipe(stream)
    stdin.pause()
  }
}
