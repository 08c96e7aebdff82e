import type { Exposure } from '../../lib/index.ts'
import {
  Peer,
  ReachError,
  exposeTarget,
  formatForwardTarget,
  parseForwardTarget,
  parsePeer,
  parseServiceName,
} from '../../lib/index.ts'
import type { ForwardTarget } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { parseIdle, udpTarget } from '../udp-target.ts'
import { forwardTalk, peerTalk, untilInterrupted } from './peer-talk.ts'
import type { PeerSettings } from './peer-settings.ts'
import { PEER_SPECS, openPeer, readPeerSettings } from './peer-settings.ts'

const SPECS: SettingSpecs = {
  as: { kind: 'list', flagOnly: true },
  udp: { kind: 'flag', flagOnly: true },
  allow: { kind: 'list' },
  idle: { kind: 'text' },
  json: { kind: 'flag', flagOnly: true },
  ...PEER_SPECS,
}

/** A target, and what it is called. */
interface NamedTarget {
  readonly service: string
  readonly target: ForwardTarget
}

/** `p2p-reach expose`, typed. */
export interface ExposeCommand extends PeerSettings {
  readonly kind: 'expose'
  readonly targets: readonly NamedTarget[]
  /** Names and PeerIds; undefined for the whole network. */
  readonly allow: readonly string[] | undefined
  /** How long flows of UDP may be silent; undefined: the library's default. */
  readonly idleMs: number | undefined
  readonly json: boolean
}

export function parseExpose(argv: readonly string[], env: Environment): ExposeCommand {
  const settings = readSettings('expose', SPECS, argv, env)
  const names = settings.list('as')
  const { positionals } = settings
  if (positionals.length === 0) {
    throw new ReachError('ERR_REACH_USAGE', 'expose needs a target', {
      hint: 'p2p-reach expose 8080 --as web',
    })
  }
  if (names.length > positionals.length) {
    throw new ReachError(
      'ERR_REACH_USAGE',
      `there are ${names.length} names for ${positionals.length} targets`,
      {
        hint: 'give one --as for each target, in the same order',
      },
    )
  }
  const targets = positionals.map((text, at) => {
    const read = parseForwardTarget(text)
    const target = settings.flag('udp') ? udpTarget(read) : read
    return { service: parseServiceName(names[at] ?? defaultName(target)), target }
  })
  const allow = settings.list('allow').flatMap((text) => text.split(',').map(parsePeer))
  return {
    kind: 'expose',
    targets,
    allow: allow.length === 0 ? undefined : allow,
    idleMs: parseIdle(settings.text('idle')),
    json: settings.flag('json'),
    ...readPeerSettings(settings),
  }
}

/** Exposes until interrupted. */
export async function runExpose(
  command: ExposeCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { json, targets, allow, idleMs } = command
  await using peer = await openPeer(command, peerTalk(output, json))
  const exposures: Exposure[] = []
  for (const { service, target } of targets) {
    const onEvent = forwardTalk(output, json)
    const options = {
      onEvent,
      signal,
      ...(allow === undefined ? {} : { allow }),
      ...(idleMs === undefined ? {} : { idleMs }),
    }
    exposures.push(await exposeTarget(peer, service, target, options))
  }
  tellReady(command, peer, exposures, output)
  await untilInterrupted(peer, output, json, signal)
  return EXIT.ok
}

function tellReady(
  { targets, json, allow }: ExposeCommand,
  peer: Peer,
  exposures: readonly Exposure[],
  output: Output,
): void {
  for (const [at, { service }] of exposures.entries()) {
    const address = `${peer.name}/${service}`
    const to = targets[at]?.target
    const target = to === undefined ? '' : formatForwardTarget(to)
    if (json) {
      const { relays, peerId } = peer
      const who = { peerId, relays, allow: allow ?? null }
      output.event({ event: 'ready', service: address, target, transport: to?.kind, ...who })
    } else {
      const whom = allow === undefined ? 'every member of the network' : allow.join(', ')
      output.say(`p2p-reach: ${address} leads to ${target}, for ${whom}\n`)
      output.say(`p2p-reach: on another member:  p2p-reach connect ${address} ${exampleOf(to)}\n`)
    }
  }
}

/** What somebody would type to get the same port at home. */
function exampleOf(target: ForwardTarget | undefined): string {
  if (target === undefined || target.kind === 'unix') return '-'
  const { port } = target.endpoint
  return `${port < 1024 ? port + 8000 : port}${target.kind === 'udp' ? ' --udp' : ''}`
}

/** A port is its own name, as is a file's. */
function defaultName(target: ForwardTarget): string {
  if (target.kind !== 'unix') return String(target.endpoint.port)
  const file = target.path.split('/').at(-1) ?? ''
  return file
    .replace(/\.[a-z]+$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, '-')
}
