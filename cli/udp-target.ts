import type { ForwardTarget } from '../lib/index.ts'
import { ReachError } from '../lib/index.ts'
import { parseDuration } from './duration.ts'

/** What an end is with `--udp`: a port of UDP. @throws {ReachError} ERR_REACH_USAGE for what has none */
export function udpTarget(target: ForwardTarget): ForwardTarget {
  if (target.kind === 'unix') throw noUdp(`unix:${target.path}`)
  return { kind: 'udp', endpoint: target.endpoint }
}

/** UDP has no such end. */
export function noUdp(text: string): ReachError {
  return new ReachError('ERR_REACH_USAGE', `${text} can’t carry datagrams`, {
    hint: 'with --udp, name a port:  PORT or HOST:PORT',
  })
}

/** Reads `--idle`; undefined for the default. @throws {ReachError} ERR_REACH_USAGE */
export function parseIdle(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const idleMs = parseDuration(text, 'idle')
  if (idleMs > 0) return idleMs
  throw new ReachError('ERR_REACH_USAGE', 'with --idle 0 no flow would live', { hint: 'write --idle 2m' })
}
