import type { DirectReport, ForwardEvent, PathState, Peer, PeerEvent, PeerNames } from '../../lib/index.ts'
import { ReachError, formatAddress, formatSpan, shortPeerId, whyRelayed } from '../../lib/index.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import type { Output } from '../output.ts'
import { printable } from '../render/printable.ts'

/** Tells what happens to a peer: JSON lines on stdout, or talk on stderr. */
export function peerTalk(output: Output, json: boolean): (event: PeerEvent) => void {
  // A relay that is away is told once, not with each attempt.
  const away = new Set<string>()
  // Why a peer stays relayed is told when it is news.
  const reasons = new Map<string, string>()
  return (event) => {
    if (event.kind === 'relay-up') {
      const isBack = away.delete(event.relay)
      if (isBack || event.way !== 'direct') tell(output, json, upJson(event), upText(event, isBack))
      return
    }
    if (event.kind === 'relay-down') {
      if (away.has(event.relay)) return
      away.add(event.relay)
    }
    const text = textOf(event)
    const line = jsonOf(event)
    if (event.kind === 'direct') {
      const { peerId } = event.peer
      if (!json && reasons.get(peerId) === (text ?? '')) return
      reasons.set(peerId, text ?? '')
    }
    if (json && line !== undefined) output.event(line)
    if (!json && text !== undefined) output.say(`p2p-reach: ${text}\n`)
  }
}

/** Tells what happens to connections that are carried; those that end well are no news. */
export function forwardTalk(output: Output, json: boolean): (event: ForwardEvent) => void {
  return (event) => {
    if (event.kind !== 'failed') return
    const { message, hint } = event.error
    tell(output, json, errorJson(event.error), hint === undefined ? message : `${message}; ${hint}`)
  }
}

/** Stays until interrupted. @throws {ReachError} why the peer could not go on */
export async function untilInterrupted(
  peer: Peer,
  output: Output,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  const interrupted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const error = await Promise.race([peer.closed, interrupted])
  if (error !== undefined) throw error
  if (json) output.event({ event: 'closed', reason: 'interrupted' })
}

/** One event, as a JSON line or as a sentence. */
export function tell(
  output: Output,
  json: boolean,
  event: Readonly<Record<string, unknown>>,
  text: string,
): void {
  if (json) output.event(event)
  else output.say(`p2p-reach: ${printable(text)}\n`)
}

/** `relay 203.0.113.1:443, 24 ms`: what carries a session. */
export function pathText({ kind, via, way = 'direct', rttMs }: PathState): string {
  const by = way === 'direct' ? '' : ` by ${way}`
  const where = kind === 'relay' ? `relay ${via}${by}` : kind === 'ssh' ? via : `${kind} ${via}`
  return rttMs === undefined ? where : `${where}, ${rttMs.toFixed(rttMs < 10 ? 1 : 0)} ms`
}

/** The `path` event of docs/cli (design §8). */
export function pathJson(peer: PeerNames, path: PathState): Readonly<Record<string, unknown>> {
  return {
    event: 'path',
    peer: peer.name ?? peer.peerId,
    peerId: peer.peerId,
    ...pathFields(path),
  }
}

/** A path, for programs. */
export function pathFields({
  kind,
  via,
  way,
  rttMs,
  local,
  remote,
}: PathState): Readonly<Record<string, unknown>> {
  return {
    kind,
    rttMs: rttMs ?? null,
    via,
    way: way ?? null,
    local: local === undefined ? null : formatAddress(local),
    remote: remote === undefined ? null : formatAddress(remote),
  }
}

function directJson(peer: PeerNames, report: DirectReport): Readonly<Record<string, unknown>> {
  return {
    event: 'direct',
    peer: peer.name ?? peer.peerId,
    peerId: peer.peerId,
    ...directFields(report),
  }
}

/** How it stands with direct paths, for programs. */
export function directFields(report: DirectReport): Readonly<Record<string, unknown>> {
  const { state, attempts, ours, theirs, prediction, tried, triedByPeer, retryInMs } = report
  const why = whyRelayed(report)
  return {
    ...{ state, attempts, ours: ours ?? null, theirs: theirs ?? null, prediction: prediction ?? null },
    ...{ tried: tried ?? null, triedByPeer: triedByPeer ?? null, retryInMs: retryInMs ?? null },
    why: why?.why ?? null,
    remedies: why?.remedies ?? [],
  }
}

function directText(peer: PeerNames, report: DirectReport): string | undefined {
  const why = whyRelayed(report)
  return why === undefined ? undefined : `${who(peer)} stays relayed: ${printable(why.why)}`
}

/** Why a connection is relayed, in full: some lines for a person. */
export function whyLines(report: DirectReport): readonly string[] {
  const why = whyRelayed(report)
  if (why === undefined) return []
  return [
    `relayed: ${printable(why.why)}`,
    ...why.tried.map((line) => `  tried ${printable(line)}`),
    ...why.remedies.map((line) => `  hint: ${printable(line)}`),
  ]
}

function jsonOf(event: PeerEvent): Readonly<Record<string, unknown>> | undefined {
  switch (event.kind) {
    case 'relay-up':
      return undefined
    case 'relay-down':
    case 'refused':
      return errorJson(event.error)
    case 'superseded':
      return errorJson(superseded(event.relay))
    case 'way-improved':
      return { event: event.kind, ...wayFields(event) }
    case 'relay-restarting':
      return { event: event.kind, relay: event.relay, backInMs: event.backInMs }
    case 'session':
    case 'path-lost':
      return { event: event.kind, peer: event.peer.name ?? event.peer.peerId, peerId: event.peer.peerId }
    case 'path':
      return pathJson(event.peer, event.path)
    case 'direct':
      return directJson(event.peer, event.report)
    case 'session-ended': {
      const { peer, error } = event
      return {
        event: event.kind,
        peer: peer.name ?? peer.peerId,
        peerId: peer.peerId,
        code: error?.code ?? null,
      }
    }
    case 'membership':
      return undefined
    default:
      return unreachable(event)
  }
}

function textOf(event: PeerEvent): string | undefined {
  switch (event.kind) {
    case 'relay-up':
    case 'membership':
    case 'session':
      return undefined
    case 'relay-down':
      return `${printable(event.error.message)}; trying again in ${formatSpan(event.retryInMs)}`
    case 'refused':
      return `refused ${who(event.peer)}: ${printable(event.error.message)}`
    case 'superseded':
      return superseded(event.relay).message
    case 'relay-restarting':
      return `the relay ${event.relay} is about to restart`
    case 'way-improved':
      return `the relay ${event.relay} is reached in a better way by now: ${event.way}`
    case 'path':
      return `${who(event.peer)} by ${pathText(event.path)}`
    case 'direct':
      return directText(event.peer, event.report)
    case 'path-lost':
      return `the way to ${who(event.peer)} is cut; looking for another`
    case 'session-ended':
      return endText(event.peer, event.error)
    default:
      return unreachable(event)
  }
}

function endText(peer: PeerNames, error: ReachError | undefined): string {
  if (error === undefined || error.code === 'ERR_REACH_ABORTED') return `${who(peer)} is gone`
  return `lost ${who(peer)}: ${printable(error.message)}`
}

type RelayUp = Extract<PeerEvent, { readonly kind: 'relay-up' }>

function upJson({ relay, ...how }: RelayUp): Readonly<Record<string, unknown>> {
  return { event: 'relay', state: 'up', ...wayFields({ relay, ...how }) }
}

function wayFields({ relay, way, interceptedBy }: Omit<RelayUp, 'kind'>): Readonly<Record<string, unknown>> {
  return { relay, way, interceptedBy: interceptedBy ?? null }
}

function upText({ relay, way, interceptedBy }: RelayUp, isBack: boolean): string {
  const how = way === 'direct' ? '' : ` by ${way}`
  const who =
    interceptedBy === undefined ? '' : `; TLS is intercepted by ${interceptedBy}, who can’t read along`
  return isBack ? `the relay ${relay} is back${how}${who}` : `the relay ${relay} is reached${how}${who}`
}

function errorJson({ code, message, hint }: ReachError): Readonly<Record<string, unknown>> {
  return { event: 'error', code, message, hint: hint ?? null }
}

function who({ name, peerId }: PeerNames): string {
  return name ?? shortPeerId(peerId)
}

function superseded(relay: string): ReachError {
  return new ReachError(
    'ERR_REACH_SUPERSEDED',
    `another process with our key has registered at ${relay}: it gets the sessions from now on`,
    { hint: 'run one  p2p-reach expose  for a home folder, and don’t copy home folders' },
  )
}
