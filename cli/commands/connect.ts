import type { Readable, Writable } from 'node:stream'
import type { ForwardTarget, SessionStream } from '../../lib/index.ts'
import { Peer, ReachError, forwardTo, parseForwardTarget, parseServiceAddress } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { forwardTalk, peerTalk, untilInterrupted } from './peer-talk.ts'

const SPECS: SettingSpecs = {
  json: { kind: 'flag', flagOnly: true },
  quiet: { kind: 'flag', flagOnly: true },
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** `p2p-reach connect`, typed. */
export interface ConnectCommand {
  readonly kind: 'connect'
  /** `PEER/SERVICE`. */
  readonly address: string
  /** Where to listen; undefined for standard input and output. */
  readonly listen: ForwardTarget | undefined
  readonly json: boolean
  readonly quiet: boolean
  readonly home: string
  readonly allowOpenKeyFile: boolean
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
  const listen = where === '-' ? undefined : parseListen(where)
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
    json,
    quiet: settings.flag('quiet'),
    home: settings.home,
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

/** A port of ours that the system picks, when nothing is said. */
function parseListen(text: string | undefined): ForwardTarget {
  if (text === undefined || text === '0') return { kind: 'tcp', endpoint: { host: '127.0.0.1', port: 0 } }
  return parseForwardTarget(text)
}

/** Listens until interrupted; or carries standard input and output until both have ended. */
export async function runConnect(
  command: ConnectCommand,
  stdin: Readable,
  stdout: Writable,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { home, json, quiet, address, listen, allowOpenKeyFile } = command
  const isSilent = quiet || listen === undefined
  const onEvent = isSilent ? () => undefined : peerTalk(output, json)
  await using peer = await Peer.open({ home, allowOpenKeyFile, onEvent })
  if (listen === undefined) {
    const stream = await peer.connect(address, { signal })
    await carryStdio(stream, stdin, stdout, signal)
    return EXIT.ok
  }
  await using forwarding = await forwardTo(peer, address, listen, {
    signal,
    onEvent: forwardTalk(output, json),
  })
  const { local } = forwarding
  if (json) output.event({ event: 'ready', service: address, local, peerId: peer.peerId })
  else output.say(`p2p-reach: ${local} leads to ${address}\n`)
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
