import { proxyEnvironment } from '../network-access.ts'
import type { MapPortOptions, MappedPort, Transport } from '../../lib/index.ts'
import { Peer, ReachError, mapPort } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { printable } from '../render/printable.ts'
import { stateJson, stateText } from './map-talk.ts'
import { peerTalk, tell } from './peer-talk.ts'

const SPECS: SettingSpecs = {
  tcp: { kind: 'flag', flagOnly: true },
  udp: { kind: 'flag', flagOnly: true },
  external: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** `p2p-reach map`, typed. */
export interface MapCommand {
  readonly kind: 'map'
  readonly port: number
  readonly transport: Transport
  /** The port wanted outside; undefined: the same, or any. */
  readonly externalPort: number | undefined
  readonly json: boolean
  readonly home: string
  readonly allowOpenKeyFile: boolean
}

export function parseMap(argv: readonly string[], env: Environment): MapCommand {
  const settings = readSettings('map', SPECS, argv, env)
  const [port, extra] = settings.positionals
  if (port === undefined || extra !== undefined) {
    throw new ReachError(
      'ERR_REACH_USAGE',
      port === undefined
        ? 'map needs a port'
        : `map takes one port, and no ${JSON.stringify(extra)} behind it`,
      { hint: EXAMPLE },
    )
  }
  if (settings.flag('tcp') && settings.flag('udp')) {
    throw new ReachError('ERR_REACH_USAGE', 'a mapping is for TCP or for UDP, not both', {
      hint: 'run  p2p-reach map  twice, once with --tcp and once with --udp',
    })
  }
  const external = settings.text('external')
  return {
    kind: 'map',
    port: parsePort(port, 'a port'),
    transport: settings.flag('udp') ? 'udp' : 'tcp',
    externalPort: external === undefined ? undefined : parsePort(external, '--external'),
    json: settings.flag('json'),
    home: settings.home,
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

const EXAMPLE = 'p2p-reach map 25565 --tcp'

function parsePort(text: string, what: string): number {
  const port = /^[0-9]{1,6}$/.test(text) ? Number(text) : NaN
  if (port >= 1 && port <= 65_535) return port
  throw new ReachError(
    'ERR_REACH_USAGE',
    `${JSON.stringify(text)} can’t be ${what}: a number from 1 to 65535`,
    {
      hint: EXAMPLE,
    },
  )
}

/** Maps until interrupted, and removes the mapping then. */
export async function runMap(command: MapCommand, output: Output, signal: AbortSignal): Promise<ExitCode> {
  const { json } = command
  const stop = new AbortController()
  const onAbort = () => stop.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  await using peer = await memberOf(command, output)
  // Who is shut out of the network has no relay to prove anything any more.
  void peer?.closed.then((error) => stop.abort(error))
  if (!json) output.say(`p2p-reach: asking the gateway for ${command.transport} port ${command.port}\n`)
  const mapped = await open(command, peer, stop.signal)
  try {
    for await (const state of mapped.changes(stop.signal)) {
      const line = stateJson(state)
      if (json && line !== undefined) output.event(line)
      if (!json) for (const text of stateText(state)) output.say(`p2p-reach: ${printable(text)}\n`)
    }
  } finally {
    await mapped.close()
  }
  if (!signal.aborted) throw stop.signal.reason
  tell(output, json, { event: 'closed', reason: 'interrupted' }, 'the mapping is removed')
  return EXIT.ok
}

function open(command: MapCommand, peer: Peer | undefined, signal: AbortSignal): Promise<MappedPort> {
  const { port, transport, externalPort, home } = command
  const options: MapPortOptions = {
    ...{ transport, signal },
    ...(externalPort === undefined ? {} : { externalPort }),
  }
  return peer === undefined ? mapPort(port, { ...options, home }) : peer.mapPort(port, options)
}

/** Who belongs to a network can have the mapping proven by its relay; undefined for who does not. */
async function memberOf(
  { home, json, allowOpenKeyFile }: MapCommand,
  output: Output,
): Promise<Peer | undefined> {
  try {
    return await Peer.open({
      home,
      env: proxyEnvironment(),
      allowOpenKeyFile,
      onEvent: peerTalk(output, json),
    })
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_NOT_A_MEMBER')) return undefined
    throw error
  }
}
