import type { NatBehavior } from '../../lib/base/nat-behavior.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { iceCredentials } from '../../lib/protocol/ice/connectivity-check.ts'
import type { PunchCounters } from '../../lib/protocol/punch/punch-options.ts'
import { decodePunchMessage } from '../../lib/protocol/punch/punch-message.ts'
import { PunchSide } from './punch-side.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatBehaviorOptions, NatOptions, PortChoice } from './virtual-nat-options.ts'
import type { VirtualNat } from './virtual-nat.ts'

/** A peer and the NAT that it is behind. */
export interface PunchSideOptions extends NatBehaviorOptions {
  /** @default 1 */
  readonly externalIps?: number
  /** Another NAT outside of it. */
  readonly carrier?: NatBehaviorOptions
  /** What a survey would have found out, where that is not just what the NAT is set to. */
  readonly measured?: NatBehavior
  /** @default 2 */
  readonly openerTtl?: number
  /** Its NAT lets packets out to the STUN server alone. @default false */
  readonly isMuted?: boolean
}

/** How two peers and what lies between them are set up. */
export interface PunchScene {
  readonly seed: number
  readonly one: PunchSideOptions
  readonly other: PunchSideOptions
  /** Both are behind the NAT of `one`. @default false */
  readonly sharesNat?: boolean
  /** One way, from a peer to the core. */
  readonly delayMs: number
  /** On each peer's link. */
  readonly loss: number
  /** How much the second peer starts later than the first. */
  readonly skewMs: number
  /** One way, over the relay, added to twice the delay. @default 5 */
  readonly relayDelayMs?: number
  /** How far the first peer's idea of the signalled round trip is off. @default 0 */
  readonly misjudgedMs?: number
  /** The second peer forgets everything and starts once more at this time. */
  readonly restartsAtMs?: number
}

/** What came of it. */
export interface PunchResult {
  /** Data went both ways over what both sides called connected. */
  readonly isDirect: boolean
  readonly recipe: string
  /** The larger of both sides'. */
  readonly packets: number
  readonly sockets: number
  /** From the first start to both being connected. */
  readonly ms: number
  /** To one of them being so. */
  readonly firstMs: number
  readonly counters: readonly Readonly<PunchCounters>[]
}

/** What a survey would have found out about such a NAT. */
export function measuredBehavior(nat: PunchSideOptions): NatBehavior {
  if (nat.measured !== undefined) return nat.measured
  const ports: PortChoice = nat.ports ?? { kind: 'preserving' }
  const detail = ports.kind === 'sequential' ? { ports: { step: ports.step ?? 1 } } : {}
  return {
    mapping: nat.mapping ?? 'endpoint-independent',
    filtering: nat.filtering ?? 'address-and-port-dependent',
    portAllocation: ports.kind,
    ...detail,
  }
}

/** Lets two peers punch, and sends data over what they found. */
export function punch(scene: PunchScene): PunchResult {
  const { skewMs, restartsAtMs } = scene
  const net = new VirtualInternet({ seed: scene.seed })
  const servers = [net.stunServer().address]
  const hosts = placeHosts(net, scene, servers)
  const sides = introduce(net, hosts, scene, servers)
  sides[0].start()
  net.clock.setTimer(skewMs, () => sides[1].start())
  if (restartsAtMs !== undefined) net.clock.setTimer(restartsAtMs, () => sides[1].restart())
  for (let tick = 0; tick < 40; tick++) {
    net.clock.advance(500)
    if (sides.every(({ isOver }) => isOver)) break
  }
  for (let tries = 0; tries < 5; tries++) {
    for (const side of sides) side.sendData()
    net.clock.advance(1000)
    if (sides.every(({ gotData }) => gotData)) break
  }
  return {
    isDirect: sides.every(({ isConnected, gotData }) => isConnected && gotData),
    recipe: sides[0].machine.recipe.name,
    packets: Math.max(...sides.map(({ machine }) => machine.counters.packetsSent)),
    sockets: Math.max(...sides.map(({ machine }) => machine.counters.sockets)),
    ms: Math.max(...sides.map(({ connectedMs }) => connectedMs)),
    firstMs: Math.min(...sides.map(({ connectedMs }) => connectedMs)),
    counters: sides.map(({ machine }) => machine.counters),
  }
}

function placeHosts(
  net: VirtualInternet,
  scene: PunchScene,
  servers: readonly TransportAddress[],
): readonly [VirtualHost, VirtualHost] {
  const { one, other, delayMs, loss, sharesNat = false } = scene
  const link = { delayMs: delayMs / 2, loss }
  const near = placeNat(net, one, delayMs / 2, servers)
  const far = sharesNat ? near : placeNat(net, other, delayMs / 2, servers)
  return [net.host({ behind: near, link }), net.host({ behind: far, link })]
}

function placeNat(
  net: VirtualInternet,
  { carrier, isMuted = false, ...options }: PunchSideOptions,
  delayMs: number,
  servers: readonly TransportAddress[],
): VirtualNat {
  const nat: NatOptions = {
    ...options,
    link: { delayMs },
    ...(isMuted ? { rules: { destinations: servers.map(({ ip }) => ip) } } : {}),
  }
  if (carrier === undefined) return net.nat(nat)
  const outer = net.nat({ ...carrier, lan: '100.64.0.0/10', link: { delayMs } })
  return net.nat({ ...nat, behind: outer, link: {} })
}

function introduce(
  net: VirtualInternet,
  hosts: readonly [VirtualHost, VirtualHost],
  scene: PunchScene,
  servers: readonly TransportAddress[],
): readonly [PunchSide, PunchSide] {
  const { one, other, delayMs, relayDelayMs = 5, misjudgedMs = 0 } = scene
  const relayMs = 2 * delayMs + relayDelayMs
  const [mine, theirs] = [iceCredentials(net.random.bytes(24)), iceCredentials(net.random.bytes(24))]
  const behaviors = [measuredBehavior(one), measuredBehavior(other)] as const
  const shared = {
    family: 'ipv4',
    servers,
    signallingRttMs: 2 * relayMs + misjudgedMs,
    maySendTo: () => true,
  } as const
  const tell = (side: () => PunchSide) => (text: string) => {
    net.clock.setTimer(relayMs, () => side().signalled(decodePunchMessage(text)))
  }
  const near: PunchSide = new PunchSide(
    net.clock,
    hosts[0],
    tell(() => far),
    {
      ...shared,
      role: 'controlling',
      localCredentials: mine,
      remoteCredentials: theirs,
      ours: behaviors[0],
      theirs: behaviors[1],
      ...(one.openerTtl === undefined ? {} : { openerTtl: one.openerTtl }),
    },
  )
  const far: PunchSide = new PunchSide(
    net.clock,
    hosts[1],
    tell(() => near),
    {
      ...shared,
      role: 'controlled',
      localCredentials: theirs,
      remoteCredentials: mine,
      ours: behaviors[1],
      theirs: behaviors[0],
      ...(other.openerTtl === undefined ? {} : { openerTtl: other.openerTtl }),
    },
  )
  return [near, far]
}
