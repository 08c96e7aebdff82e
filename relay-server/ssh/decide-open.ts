import type { SshKey } from '../authority/ssh-key.ts'
import type { Exposure, Exposures } from './exposures.ts'
import { nameOfExposure } from './exposures.ts'
import { readServiceHost } from './service-host.ts'

/** What becomes of an SSH client's wish for a service. Each wish gets a decision of its own, on the keys as they are now. */
export type OpenDecision<Connection> =
  | { readonly kind: 'allowed'; readonly exposure: Exposure<Connection> }
  /** @see text for the one who asks */
  | { readonly kind: 'refused'; readonly reason: 'prohibited' | 'unknown'; readonly text: string }

/** What is decided upon. */
export interface Surroundings<Connection> {
  /** Keys by fingerprint; undefined for those that are not welcome. */
  readonly welcome: (fingerprint: string) => SshKey | undefined
  /** The key that a name belongs to, if it is one's of an SSH client. */
  readonly keyNamed: (name: string) => SshKey | undefined
  readonly isMember: (name: string) => boolean
  readonly exposures: Exposures<Connection>
}

/** Whether the holder of a key may reach what is behind `host:port`, and what that is. */
export function decideOpen<Connection>(
  caller: SshKey | undefined,
  host: string,
  port: number,
  around: Surroundings<Connection>,
): OpenDecision<Connection> {
  if (caller === undefined) return prohibited('your key was revoked')
  if (caller.use === 'expose') return prohibited('your key may expose services, and reach none')
  const wanted = readServiceHost(host)
  if (wanted === undefined)
    return unknown(`${shown(host)} is no name of this network; write SERVICE.NAME or NAME`)
  if (wanted.kind === 'service-of') return ofPeer(caller, wanted.peer, wanted.service, port, around)
  const { word } = wanted
  // First the peer: nobody else can have its name, but anybody may call a service so.
  if (around.keyNamed(word) !== undefined || around.isMember(word))
    return ofPeer(caller, word, undefined, port, around)
  return ofAnybody(caller, word, port, around)
}

function ofPeer<Connection>(
  caller: SshKey,
  peer: string,
  service: string | undefined,
  port: number,
  around: Surroundings<Connection>,
): OpenDecision<Connection> {
  const owner = around.keyNamed(peer)
  if (owner === undefined) {
    return around.isMember(peer)
      ? prohibited(`${peer} is a member with end-to-end encryption; reach it with  p2p-reach connect`)
      : unknown(`nobody in this network is called ${peer}`)
  }
  // Who may not reach it learns nothing of what it exposes.
  if (!mayReach(caller, owner)) return prohibited(`${peer} does not let ${caller.name} in`)
  const all = around.exposures.ofOwner(owner.fingerprint)
  if (all.length === 0) return unknown(`${peer} exposes nothing now`)
  const exposure = all.find((one) => one.service === service && one.port === port)
  if (exposure !== undefined) return { kind: 'allowed', exposure }
  return unknown(`${peer} exposes ${all.map(nameOfExposure).join(', ')}, and not that`)
}

function ofAnybody<Connection>(
  caller: SshKey,
  service: string,
  port: number,
  { exposures, welcome }: Surroundings<Connection>,
): OpenDecision<Connection> {
  const all = exposures.ofService(service).filter(({ owner }) => mayReach(caller, welcome(owner)))
  const [exposure, another] = all.filter((one) => one.port === port)
  if (exposure === undefined) {
    const ports = all.map(nameOfExposure).join(', ')
    return unknown(ports === '' ? `nobody exposes ${service} now` : `there is ${ports}, and not port ${port}`)
  }
  if (another === undefined) return { kind: 'allowed', exposure }
  // The newest must not take what was meant for another: both can be named in full.
  return prohibited(
    `${service} is exposed by ${exposure.name} and ${another.name}: write ${service}.${exposure.name}`,
  )
}

function mayReach(caller: SshKey, owner: SshKey | undefined): boolean {
  if (owner === undefined || owner.use === 'reach') return false
  return (
    owner.fingerprint === caller.fingerprint || owner.allow === undefined || owner.allow.includes(caller.name)
  )
}

function prohibited<Connection>(text: string): OpenDecision<Connection> {
  return { kind: 'refused', reason: 'prohibited', text }
}

function unknown<Connection>(text: string): OpenDecision<Connection> {
  return { kind: 'refused', reason: 'unknown', text }
}

/** What a stranger writes goes into the terminals of people. */
function shown(host: string): string {
  return JSON.stringify(host.replace(/[^ -~]/g, '?').slice(0, 80))
}
